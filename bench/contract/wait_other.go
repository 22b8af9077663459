//go:build !linux

package contract

import "time"

// Wait sleeps. On Linux the kernel says when it is over, which is more exact.
func Wait(d time.Duration) error {
	time.Sleep(d)
	return nil
}
