package contract

import (
	"os"
	"strconv"
	"strings"
)

// processors is what the processors of the machine have done since it began, in ticks.
type processors struct{ all, idle, stolen uint64 }

// readProcessors reads the first line of /proc/stat: user, nice, system, idle, iowait, irq, softirq, steal. Elsewhere than on Linux nothing is known.
func readProcessors() processors {
	text, _ := os.ReadFile("/proc/stat") // what is not there is not told
	return processorsOf(string(text))
}

func processorsOf(stat string) (p processors) {
	const idle, waits, stolen, known = 3, 4, 7, 8
	line, _, _ := strings.Cut(stat, "\n")
	fields := strings.Fields(line)
	if len(fields) <= known || fields[0] != "cpu" {
		return p
	}
	for i, field := range fields[1 : 1+known] {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil {
			return processors{}
		}
		p.all += n
		switch i {
		case idle, waits:
			p.idle += n
		case stolen:
			p.stolen += n
		}
	}
	return p
}

// since returns the share of the processors' time since then in which they had nothing to do, and that which the host of a virtual machine gave to others.
func (p processors) since(then processors) (idle, stolen float64) {
	all := float64(p.all - then.all)
	if all == 0 {
		return 0, 0
	}
	return float64(p.idle-then.idle) / all, float64(p.stolen-then.stolen) / all
}
