package member

import (
	"encoding/binary"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// trimmedAfter is for how long a request to delete records is held back. The verifier reads copies as they come, but is behind for some seconds where a
// broker hangs; what is trimmed before it is read cannot be judged. The client gives up what it cannot write within ten seconds.
const trimmedAfter = 8 * time.Second

// trimming is a connection to a broker that takes its time to delete records.
type trimming struct {
	net.Conn
	given chan struct{} // up: the connection is closed, or what is written is waited for no longer
}

func newTrimming(conn net.Conn) *trimming {
	return &trimming{Conn: conn, given: make(chan struct{}, 1)}
}

// Write implements [net.Conn]. The client writes one request at a time.
func (t *trimming) Write(request []byte) (int, error) {
	const key = 4 // where the request's API key stands, behind its size
	if len(request) >= key+2 && kmsg.Key(binary.BigEndian.Uint16(request[key:])) == kmsg.DeleteRecords {
		wait := time.NewTimer(trimmedAfter)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-t.given:
		}
	}
	return t.Conn.Write(request)
}

// SetWriteDeadline implements [net.Conn]. The client sets one that is over to interrupt a write.
func (t *trimming) SetWriteDeadline(at time.Time) error {
	err := t.Conn.SetWriteDeadline(at)
	if !at.IsZero() && !at.After(time.Now()) {
		t.giveUp()
	}
	return err
}

// Close implements [net.Conn].
func (t *trimming) Close() error {
	err := t.Conn.Close()
	t.giveUp()
	return err
}

func (t *trimming) giveUp() {
	select {
	case t.given <- struct{}{}:
	default:
	}
}
