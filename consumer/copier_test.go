package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// slowHandover keeps the first record that a client is given from getting any further.
type slowHandover struct{ begun, goOn chan struct{} }

// OnProduceRecordBuffered implements a hook of the client.
func (s *slowHandover) OnProduceRecordBuffered(*kgo.Record) {
	select {
	case <-s.begun:
	default:
		close(s.begun)
		<-s.goOn
	}
}

// TestACopyMeetsNoClientThatIsClosed has a client replaced that has nothing under way, while a copy is about to be handed to it: it is
// written all the same. A copy that its client fails as closed is taken for one of a pipeline that has ended, and stands still.
func TestACopyMeetsNoClientThatIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := new(destination)
		slow := &slowHandover{make(chan struct{}), make(chan struct{})}
		c := newCopier(func() []kgo.Opt { return to.options(kgo.WithHooks(slow)) })
		if err := c.connect(); err != nil {
			t.Fatal(err)
		}
		written := make(chan error, 1)
		go c.write(&kgo.Record{Topic: "retry", Value: []byte("v")}, func(_ *kgo.Record, err error) { written <- err })
		<-slow.begun
		before := c.client()
		if err := c.renew(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // for a client that waits for nobody to be closed
		close(slow.goOn)
		equal(t, "what has become of the copy", <-written, nil)
		equal(t, "the client is another one", c.client() != before, true)
		<-before.Context().Done()
		c.close()
		to.wg.Wait()
	})
}
