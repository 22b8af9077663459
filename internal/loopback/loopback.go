// Package loopback finds addresses for servers that have to be told theirs before they start.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
)

// The ports lie below those that systems hand out by themselves: from 32768 on by Linux, from 49152 on by others. One that
// the system itself has given and that was closed again is no longer ours: it may give it to the next who asks for any,
// before the server that was told it listens.
const (
	firstPort = 10000
	ports     = 9000
)

// next begins at random, so that processes side by side hardly meet, and goes on by one, so that a process names none twice.
var next atomic.Uint32

func init() { next.Store(rand.Uint32N(ports)) }

// FreeAddress returns an address of 127.0.0.1 that nobody listens on, and that nobody gets who asks the system for any port.
// It is safe for concurrent use; a process gets each address once in 9,000 calls at most.
func FreeAddress() (string, error) {
	var refused error
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+next.Add(1)%ports)
		listener, err := net.Listen("tcp", address)
		if err != nil {
			refused = err
			continue
		}
		return address, listener.Close()
	}
	return "", fmt.Errorf("no port from %d to %d of 127.0.0.1 is free: %w", firstPort, firstPort+ports-1, refused)
}
