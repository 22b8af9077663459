package consumer

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// lateFor is for how long a commit that was not answered may still be carried out: the connection that it was sent over is gone, but
// brokers go on with what they have read, or still read, of one. A broker that answers anything else by then has done that long ago, and as long as it answers
// nothing the time begins anew with every try.
const lateFor = 3 * commitTimeout

// OnBrokerE2E implements [kgo.HookBrokerE2E]. A commit that was sent and not answered may be carried out after the one that was sent
// next, over another connection, and put the group back to where it was: so it is said once more when that cannot be any more, and when a lane is given up.
func (c *committer) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	if key != kmsg.OffsetCommit.Int16() || e.Err() == nil {
		return
	}
	c.late.Store(time.Now().Add(lateFor).UnixNano())
	time.AfterFunc(lateFor, c.moved)
}

// sayAgain returns until when a commit may come late that the lane has to correct now, 0 when there is none. The strand's lock is held.
func (c *committer) sayAgain(l *lane) int64 {
	late := c.late.Load()
	if late > l.repeated && (l.draining || time.Now().UnixNano() >= late) { // mostly there is none, and the clock would be read for each lane
		return late
	}
	return 0
}
