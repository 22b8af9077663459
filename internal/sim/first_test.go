//go:build synctests

package sim

import (
	"fmt"
	"testing"
	"time"
)

func TestFirst(t *testing.T) {
	run(t, Setup{}, func(w *World) {
		w.Join()
		for i := range 30 {
			w.Produce(&Record{Partition: int32(i % 3), Key: []byte(fmt.Sprint(i)), Fate: Fate{Kind: Fail, Times: i % 6}})
		}
		w.Join()
		w.Sleep(time.Minute)
	})
}
