package scenarios

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/bench/contract"
)

// The pipeline's commits are within the time that counts, but for its last ones; so are all of the raw loop's, also in a round of less than a second.
func TestTheRawLoopCommitsWithinItsTime(t *testing.T) {
	cluster, fake := onFake(t)
	task := contract.Task{Brokers: cluster.Brokers, Topic: "source", Group: "raw", Records: 100, Parts: 1}
	if err := cluster.Create(t.Context(), task.Topic, task.Parts); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Fill(t.Context(), task.Topic, task.Parts, task.Records, 100, nil); err != nil {
		t.Fatal(err)
	}
	m := new(contract.Meter)
	within, after := 0, 0
	fake.ControlKey(kmsg.OffsetCommit.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		if _, err := m.Result(); err != nil { // it has not ended: whoever would end it waits for the answer
			within++
		} else {
			after++
		}
		return nil, nil, false
	})
	if err := rawSum(t.Context(), task, m); err != nil {
		t.Fatal(err)
	}
	fake.Close()
	if within == 0 || after > 0 {
		t.Errorf("%d commits within the time that counts and %d after it, want all within", within, after)
	}
}
