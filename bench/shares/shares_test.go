package shares

import (
	"maps"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

const (
	engine = "github.com/redeliver/redeliver/consumer."
	client = "github.com/twmb/franz-go/pkg/kgo."
)

// A sample is of the part that is named first, wherever on its stack the function stands: what the client does for an acknowledgement is the
// client's, and what the pipeline does in it is not.
func TestTimeIsOfTheFirstPartThatIsOnTheStack(t *testing.T) {
	stacks := map[string][]string{ // innermost first
		"the handler":                          {"bench.handler", engine + "HandlerFunc.Handle", engine + "(*Pipeline).runChunk", engine + "(*Pipeline).work"},
		"calls, and settling":                  {"runtime.mallocgc", engine + "(*Pipeline).runChunk", engine + "(*Pipeline).work"},
		"acknowledging copies":                 {engine + "(*lane).settle", engine + "(*Pipeline).written", client + "(*producer).finishPromises"},
		"the client: telling of copies":        {client + "(*Record).userSize", client + "(*producer).finishPromises"},
		"the client: handing over":             {client + "(*Client).PollRecords", engine + "(*reader).run"},
		"intake":                               {engine + "(*reader).handOver", engine + "(*reader).run"},
		"commits":                              {client + "(*Client).CommitOffsetsSync", engine + "(*committer).send", engine + "(*committer).run"},
		"the client: decompressing":            {"github.com/klauspost/compress/s2.Decode", client + "(*decompressor).Decompress", client + "(*source).fetch"},
		"the client: decoding":                 {"runtime.memmove", client + "(*source).fetch"},
		"the client: reading connections":      {"syscall.Read", client + "(*brokerCxn).readConn"},
		"collecting garbage in the background": {"runtime.scanObject", "runtime.gcBgMarkWorker"},
		"scheduling":                           {"runtime.futex", "runtime.schedule", "runtime.mcall"},
		rest:                                   {"runtime.memmove", "main.main"},
	}
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "cpu"}}}
	want := make(map[string]time.Duration)
	took := time.Millisecond
	for name, stack := range stacks {
		s := &profile.Sample{Value: []int64{1, int64(took)}}
		for _, function := range stack {
			s.Location = append(s.Location, &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: function}}}})
		}
		p.Sample = append(p.Sample, s, s)
		want[name] = 2 * took
		took *= 2
	}
	got := Of(p)
	if len(got) != len(parts)+1 {
		t.Errorf("got %d parts, want all %d and the rest", len(got), len(parts))
	}
	maps.DeleteFunc(got, func(_ string, took time.Duration) bool { return took == 0 })
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
