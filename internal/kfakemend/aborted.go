// Package kfakemend mends what kfake does otherwise than Kafka, with its control functions.
package kfakemend

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// KeepAborted is a control function for fetch requests of a kfake cluster. Where its answer is cut by the request's bound in bytes, kfake leaves
// out which transactions of the partition were aborted, and a reader of committed records is given theirs; where it is cut by the
// partition's bound it does not. So the partitions' bounds are the only ones for those who read committed records:
// they may be given more at a time than they asked for, which a test that measures memory cannot have.
func KeepAborted(kreq kmsg.Request) (kmsg.Response, error, bool) {
	if req, ok := kreq.(*kmsg.FetchRequest); ok && req.IsolationLevel == readCommitted {
		req.MaxBytes = math.MaxInt32
	}
	return nil, nil, false // on to the broker
}

const readCommitted = 1 // as the isolation level of a fetch request
