// Package shares says where the CPU time of a contender went, by a profile of its process.
package shares

import (
	"regexp"
	"slices"
	"time"

	"github.com/google/pprof/profile"
)

// part is what functions are there for.
type part struct {
	name string
	of   *regexp.Regexp // a function that is there for nothing else, with all that it calls but for what an earlier part has
}

// parts are those that time is divided among: each sample is the first one's of which a function is on its stack.
var parts = []part{
	{"collecting garbage in the background", regexp.MustCompile(`^runtime\.(gcBgMarkWorker|bgsweep|bgscavenge)$`)},
	{"the handler", regexp.MustCompile(`/consumer\.HandlerFunc\.Handle$|/scenarios\.rawSum\.func`)},
	{"acknowledging copies", regexp.MustCompile(`/consumer\.\(\*Pipeline\)\.writ(ten$|e\.func)`)},
	{"headers of copies", regexp.MustCompile(`/retrytopics\.\(\*State\)\.AppendHeaders$|/scenarios\.\(\*rawHeaders\)`)},
	{"the client: taking copies", regexp.MustCompile(`/kgo\.\(\*Client\)\.[pP]roduce$`)},
	{"reading the error", regexp.MustCompile(`/consumer\.readError$|/classify\.`)},
	{"making and sending copies", regexp.MustCompile(`/consumer\.\(\*Pipeline\)\.carryOut$`)},
	{"deciding, and the state that travels", regexp.MustCompile(`/consumer\.\(\*Pipeline\)\.judged$`)},
	{"the transaction", regexp.MustCompile(`/consumer\.\(\*transactor\)\.run$`)},
	{"commits", regexp.MustCompile(`/consumer\.\(\*committer\)\.run$|/kgo\.\(\*Client\)\.Commit`)},
	{"the client: handing over", regexp.MustCompile(`/kgo\.\(\*Client\)\.Poll`)},
	{"intake", regexp.MustCompile(`/consumer\.\(\*reader\)\.run$`)},
	{"calls, and settling", regexp.MustCompile(`/consumer\.\(\*Pipeline\)\.work$`)},
	{"the client: compressing", regexp.MustCompile(`/kgo\.\(\*compressor\)|pierrec/lz4`)},
	{"the client: writing requests", regexp.MustCompile(`/kgo\.\(\*(sink|brokerCxn)\)\.(drain|writeRequest)|/kgo\.\(\*broker\)\.handleReqs$`)},
	{"the client: telling of copies", regexp.MustCompile(`/kgo\.\(\*producer\)\.finishPromises$`)},
	{"the client: reading connections", regexp.MustCompile(`/kgo\.\(\*brokerCxn\)`)},
	{"the client: decompressing", regexp.MustCompile(`/kgo\.\(\*decompressor\)|klauspost/compress`)},
	{"the client: decoding", regexp.MustCompile(`/kgo\.`)},
	{"the loop", regexp.MustCompile(`/scenarios\.`)},
	{"scheduling", regexp.MustCompile(`^runtime\.(mcall|schedule|mstart\d?|park_m|goexit0)$`)},
}

const rest = "the rest"

// Of returns the CPU time of each part, of those that have none, too.
func Of(p *profile.Profile) map[string]time.Duration {
	value := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == "cpu" })
	all := map[string]time.Duration{rest: 0}
	for _, one := range parts {
		all[one.name] = 0
	}
	for _, s := range p.Sample {
		all[partOf(s)] += time.Duration(s.Value[value])
	}
	return all
}

func partOf(s *profile.Sample) string {
	for _, one := range parts {
		for _, at := range s.Location {
			for _, line := range at.Line {
				if one.of.MatchString(line.Function.Name) {
					return one.name
				}
			}
		}
	}
	return rest
}
