package consumer

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// What comes again and again is told the first, second, fourth time and so on, and as new when it had ended.
func TestWhatRepeatsIsToldAtAFallingRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r repeats
		told := func(what, where string, times int) (at []int) {
			for range times {
				if n, loud := r.again(what, where); loud {
					at = append(at, n)
				}
			}
			return at
		}
		for _, tt := range []struct {
			what, where string
			after       time.Duration
			want        []int
		}{
			{"copy", "a", 0, []int{1, 2, 4, 8}},
			{"copy", "b", 0, []int{1, 2, 4, 8}},
			{"panic", "a", 0, []int{1, 2, 4, 8}},
			{"copy", "a", repeatMemory, []int{16}},
			{"copy", "a", repeatMemory + time.Millisecond, []int{1, 2, 4, 8}},
		} {
			time.Sleep(tt.after)
			if got := told(tt.what, tt.where, 10); !slices.Equal(got, tt.want) {
				t.Errorf("%s of %s after %v: told at %v, want %v", tt.what, tt.where, tt.after, got, tt.want)
			}
		}
	})
}

// A topic that is shared with another group, or full of damaged copies, does not fill the log with a line for each record.
func TestManyBadCopiesAreFewLines(t *testing.T) {
	for event, change := range map[string]func(*kgo.Record){
		"copy of another group left alone": func(r *kgo.Record) { set(r, retrytopics.HeaderGroup, "other") },
		"copy with damaged headers":        func(r *kgo.Record) { set(r, retrytopics.HeaderCounts, "=") },
	} {
		t.Run(event, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				w := onBench(t, succeed, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				l := w.lane(0, time.Second)
				records := make([]*kgo.Record, 100)
				for i := range records {
					records[i] = w.copyOf(l, int64(i), fmt.Sprint("k", i), retrytopics.State{Attempt: 1, Due: time.Now(), FirstFailed: time.Now()})
					change(records[i])
				}
				w.p.received(l, records, time.Now())
				synctest.Wait()
				lines := slices.DeleteFunc(strings.Split(log.String(), "\n"), func(line string) bool { return !strings.Contains(line, event) })
				if len(lines) != 7 || !strings.Contains(lines[6], "times=64") {
					t.Errorf("%d lines, want 7 and the last of the 64th\n%s", len(lines), strings.Join(lines, "\n"))
				}
			})
		})
	}
}

func set(r *kgo.Record, header, value string) {
	at := slices.IndexFunc(r.Headers, func(h kgo.RecordHeader) bool { return h.Key == header })
	if at < 0 {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: header})
		at = len(r.Headers) - 1
	}
	r.Headers[at].Value = []byte(value)
}
