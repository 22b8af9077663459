package member

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func request(key kmsg.Key) []byte {
	frame := make([]byte, 14)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	binary.BigEndian.PutUint16(frame[4:], uint16(key))
	return frame
}

// Of all requests only those that delete records are held back, until they are given up.
func TestRecordsAreDeletedLater(t *testing.T) {
	for name, c := range map[string]struct {
		key    kmsg.Key
		giveUp func(net.Conn) error
		after  time.Duration
		err    error
	}{
		"fetch":        {key: kmsg.Fetch},
		"delete":       {key: kmsg.DeleteRecords, after: trimmedAfter},
		"interrupted":  {key: kmsg.DeleteRecords, giveUp: func(c net.Conn) error { return c.SetWriteDeadline(time.Now()) }, after: time.Second, err: os.ErrDeadlineExceeded},
		"closed":       {key: kmsg.DeleteRecords, giveUp: net.Conn.Close, after: time.Second, err: io.ErrClosedPipe},
		"with a limit": {key: kmsg.DeleteRecords, giveUp: func(c net.Conn) error { return c.SetWriteDeadline(time.Now().Add(time.Minute)) }, after: trimmedAfter},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here, there := net.Pipe()
				go func() { _, _ = io.Copy(io.Discard, there) }()
				conn := newTrimming(here)
				if c.giveUp != nil {
					time.AfterFunc(time.Second, func() {
						if err := c.giveUp(conn); err != nil {
							t.Error(err)
						}
					})
				}
				began := time.Now()
				_, err := conn.Write(request(c.key))
				if took := time.Since(began); took != c.after || !errors.Is(err, c.err) {
					t.Errorf("after %v: %v, want after %v: %v", took, err, c.after, c.err)
				}
				_ = conn.Close()
				_ = there.Close()
			})
		})
	}
}
