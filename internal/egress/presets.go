package egress

import "strings"

// Presets are the names of the presets, in the order of what they allow.
func Presets() []string { return []string{"none", "packages", "ai", "all"} }

// presetPolicy is the policy of a preset that exists.
func presetPolicy(name string) Policy {
	names := ""
	switch name {
	case "all":
		return Policy{allow: true}
	case "packages":
		names = systemPackages + languagePackages + codeHosts + containerRegistries
	case "ai":
		names = systemPackages + languagePackages + codeHosts + containerRegistries + modelProviders
	default:
		return Policy{}
	}
	ports := []portRange{{80, 80}, {443, 443}}
	var rules []Rule
	for word := range strings.FieldsSeq(names) {
		t := target{kind: nameTarget, name: word}
		if below, ok := strings.CutPrefix(word, "*."); ok {
			t = target{kind: belowTarget, name: below}
		}
		rules = append(rules, Rule{action: Allow, target: t, protocol: TCP, ports: ports})
	}
	return Policy{items: []item{{preset: name, rules: rules}}}
}

// The names of the presets. A name is here if what one can get there is packages
// and sources, if it is no place to paste text, and if nobody can open a store with a
// name of his own below it (which is why S3 and its like are not here). That is
// hygiene and no containment: to most of these anybody can upload with an account.
const (
	systemPackages = `
*.debian.org
*.archive.ubuntu.com archive.ubuntu.com security.ubuntu.com ports.ubuntu.com old-releases.ubuntu.com
esm.ubuntu.com keyserver.ubuntu.com changelogs.ubuntu.com cloud-images.ubuntu.com releases.ubuntu.com ppa.launchpadcontent.net
*.alpinelinux.org
download.fedoraproject.org dl.fedoraproject.org mirrors.fedoraproject.org kojipkgs.fedoraproject.org
registry.fedoraproject.org codecs.fedoraproject.org download.copr.fedorainfracloud.org
mirror.centos.org vault.centos.org mirrorlist.centos.org mirrors.centos.org *.stream.centos.org
*.almalinux.org *.rockylinux.org
*.archlinux.org *.voidlinux.org *.gentoo.org
download.opensuse.org downloadcontent.opensuse.org cdn.opensuse.org mirrorcache.opensuse.org registry.opensuse.org
*.nixos.org nixos.org
*.kernel.org *.gnu.org
apt.llvm.org packages.microsoft.com *.nodesource.com
dl.google.com
formulae.brew.sh
`
	languagePackages = `
pypi.org *.pypi.org *.pythonhosted.org *.python.org
astral.sh *.astral.sh bootstrap.pypa.io
*.anaconda.org *.anaconda.com
*.npmjs.org *.npmjs.com *.yarnpkg.com *.nodejs.org nodejs.org
jsr.io *.jsr.io deno.land *.deno.land bun.sh
crates.io *.crates.io static.rust-lang.org www.rust-lang.org doc.rust-lang.org rustup.rs *.rustup.rs
go.dev pkg.go.dev golang.org proxy.golang.org sum.golang.org gopkg.in go.googlesource.com
repo.maven.apache.org *.maven.org maven.google.com *.gradle.org
rubygems.org *.rubygems.org *.ruby-lang.org
packagist.org *.packagist.org getcomposer.org *.php.net
*.nuget.org nuget.org
hex.pm *.hex.pm
*.haskell.org *.cpan.org *.metacpan.org *.r-project.org *.julialang.org
`
	codeHosts = `
github.com api.github.com codeload.github.com ssh.github.com uploads.github.com lfs.github.com
*.pkg.github.com raw.githubusercontent.com objects.githubusercontent.com release-assets.githubusercontent.com
media.githubusercontent.com github-cloud.githubusercontent.com pkg-containers.githubusercontent.com
github-cloud.s3.amazonaws.com
gitlab.com *.gitlab.com
bitbucket.org *.bitbucket.org
codeberg.org sr.ht git.sr.ht hg.sr.ht
gitlab.freedesktop.org gitlab.gnome.org
`
	containerRegistries = `
*.docker.io docker.io *.docker.com
docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com
ghcr.io quay.io *.quay.io
gcr.io *.gcr.io *.pkg.dev registry.k8s.io
mcr.microsoft.com *.mcr.microsoft.com
public.ecr.aws
`
	modelProviders = `
*.anthropic.com claude.ai *.claude.ai claude.com *.claude.com
*.openai.com chatgpt.com *.chatgpt.com
generativelanguage.googleapis.com aiplatform.googleapis.com
cloudcode-pa.googleapis.com oauth2.googleapis.com
*.mistral.ai
openrouter.ai *.openrouter.ai
*.githubcopilot.com
api.x.ai api.deepseek.com api.groq.com api.cohere.com api.cohere.ai
api.together.xyz api.together.ai api.fireworks.ai api.perplexity.ai
api.cerebras.ai api.replicate.com
huggingface.co *.huggingface.co *.hf.co
opencode.ai *.opencode.ai models.dev
ollama.com registry.ollama.ai
bedrock-runtime.us-east-1.amazonaws.com bedrock-runtime.us-east-2.amazonaws.com
bedrock-runtime.us-west-2.amazonaws.com bedrock-runtime.eu-west-1.amazonaws.com
bedrock-runtime.eu-central-1.amazonaws.com bedrock-runtime.ap-northeast-1.amazonaws.com
`
)
