// Command probe is what end-to-end tests run inside a guest to use its network:
// it is copied in, and prints one line for each thing that it did. It is no part
// of the product.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"
)

// verbs are the probe's commands. Each returns what to print.
func verbs() map[string]func(ctx context.Context, args []string) (string, error) {
	return map[string]func(ctx context.Context, args []string) (string, error){
		"get":      get,      // get URL [ADDR] [HOST]: an HTTP request, over a connection to ADDR, with that Host
		"tls":      tlsHello, // tls ADDR SNI: a handshake, unverified; prints the certificate's name
		"tcp":      tcp,      // tcp ADDR [TEXT]: sends the text, prints what comes
		"udp":      udp,      // udp ADDR TEXT: sends a datagram, prints the answer
		"lookup":   lookup,   // lookup udp|tcp SERVER NAME A|AAAA|TXT
		"upload":   upload,   // upload ADDR BYTES: sends, half-closes, compares the hash that comes back
		"download": download, // download ADDR BYTES: receives, compares with the hash at the end
		"many":     many,     // many ADDR N: N connections at once, each echoed
		"serve":    serve,    // serve tcp|udp|unix ADDR [TEXT]: echoes; with TEXT, an HTTP server
		"churn":    churn,    // churn ADDR N: opens and closes a listener N times, then leaves it open
		"opener":   opener,   // opener ADDR: listens where it is told to, see there
		"fragment": fragment, // fragment ADDR TEXT: one UDP datagram larger than any packet
		"ping":     ping,     // ping ADDR: ICMP echo
		"keys":     keys,     // keys: what the SSH agent has, by comment
		"burn":     burn,     // burn DURATION: takes all CPUs, and does nothing else
		"hostile":  hostile,  // hostile ATTACK DURATION: does its worst to the host, see attacks

		// For benchmarks; all print a number.
		"send":     send,     // send ADDR BYTES
		"receive":  receive,  // receive ADDR BYTES
		"connects": connects, // connects ADDR N
		"sink":     sink,     // sink ADDR
		"hold":     hold,     // hold ADDR N
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) < 2 || verbs()[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: probe VERB ARGS...")
		os.Exit(2)
	}
	if !slices.Contains([]string{"serve", "churn", "opener", "sink", "hold", "burn", "hostile"}, os.Args[1]) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Minute)
		defer cancel()
	}
	text, err := verbs()[os.Args[1]](ctx, os.Args[2:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(1)
	}
	fmt.Println(text) //nolint:forbidigo // it is what the test reads
}

// arg returns the argument at i, or an empty one.
func arg(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}
