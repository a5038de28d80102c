package vm

import (
	"math/rand/v2"
	"strings"
)

const adjectives = `agile amber ancient apt autumn azure bold brave breezy bright brisk broad calm candid
clear clever cool coral cosmic cosy crimson crisp curious daring dawn deft distant eager early earnest easy
fair fancy fast fearless fine fleet fluent fond frank free fresh frosty gentle glad golden grand green happy
hardy hazel hearty honest humble icy ideal indigo ivory jade jolly jovial keen kind large lavish level light
limber lively loyal lucid lucky lunar magic mellow merry mild mint modern neat nimble noble novel olive open
patient plain plucky polar polite prime proud quick quiet rapid ready robust rosy round royal rustic sage
scarlet serene sharp shiny silent silver simple sleek smart snowy solar solid spry stable steady still sunny
supple swift tall teal tender tidy tranquil true upbeat useful valiant velvet vital vivid warm wild wise witty
young zesty`

const nouns = `acorn alder anchor aspen badger basin bay beacon beaver birch bison blossom breeze bridge brook
canyon cedar cliff cloud clover comet coral cove crane creek cricket crow dale delta dolphin dove drift dune
eagle ember falcon fern field finch fjord flint forest fox gale garden glacier glade grove gull harbor hare
harvest hawk hazel heath heron hill horizon ibis inlet iris island ivy jaguar jay juniper kestrel kite lagoon
lake lantern larch lark laurel lemur lily linden lotus lynx maple marsh marten meadow mesa meteor mist moon
moose moss nebula oak oasis ocean orbit orchid osprey otter owl panda pebble pelican peony petrel pine planet
plateau plover pond poplar prairie quail quarry rain raven reef ridge river robin rowan sable salmon seal
sequoia shore sky snow sparrow spring spruce star stone stork storm stream summit swan thicket thistle thrush
tide tiger trail trout tulip tundra valley violet walnut walrus wave willow wind wolf wren yarrow yew zebra`

// randomName makes a name of an adjective and a noun.
func randomName() string {
	a, n := strings.Fields(adjectives), strings.Fields(nouns)
	return a[rand.IntN(len(a))] + "-" + n[rand.IntN(len(n))]
}
