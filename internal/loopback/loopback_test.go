package loopback

import (
	"net"
	"testing"
)

// An address is promised once, and to nobody who asks the system for any: a server that is started a moment later gets it.
func TestAnAddressIsPromisedOnce(t *testing.T) {
	promised := make(map[string]bool)
	for range 500 {
		address, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if promised[address] {
			t.Fatalf("%s is promised twice", address)
		}
		promised[address] = true
	}
	for range 500 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if promised[l.Addr().String()] {
			t.Fatalf("who asked for any port got %s", l.Addr())
		}
	}
}

// What somebody listens on is not free.
func TestAnAddressInUseIsNotFree(t *testing.T) {
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range ports {
		got, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if got == address {
			t.Fatalf("%s is promised, though somebody listens on it", got)
		}
	}
}
