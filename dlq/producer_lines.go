package dlq

import "github.com/twmb/franz-go/pkg/kgo"

// line is what there is to know of a topic that is written to.
type line struct {
	topic  string
	keyed  bool        // its partitions are chosen by key
	limit  int         // bytes that may be under way to a partition
	most   int         // records that may be, while one is looked for that brokers refuse; 0: any number
	found  bool        // it is, and the next record may be another: where brokers refuse them all they are not looked for one by one
	flying []load      // what is under way, by partition
	noted  bool        // the client knows its partitions
	latest *kgo.Record // that was written to it
}

// load is records and their bytes.
type load struct{ records, bytes int }

// line is that of a topic.
func (p *producer) line(topic string) *line {
	for i, l := range p.recent {
		if l != nil && l.topic == topic {
			return p.recent[i]
		}
	}
	l := p.lines[topic]
	if l == nil {
		l = &line{topic: topic, keyed: topic == p.keyed, limit: flushBytes}
		p.lines[topic] = l
	}
	p.recent[0], p.recent[1] = l, p.recent[0]
	return l
}

// place is what is under way to where a record goes as far as is known: where its key decides, all partitions count as one.
func (l *line) place(r *kgo.Record) *load {
	at := max(int(r.Partition), 0)
	if l.keyed {
		at = 0
	}
	if at >= len(l.flying) {
		l.flying = append(l.flying, make([]load, at+1-len(l.flying))...)
	}
	return &l.flying[at]
}

// fewer has half as many records under way to a partition at a time.
func (l *line) fewer(than int) {
	if half := max(than/2, 1); l.most == 0 || half < l.most {
		l.most = half
	}
}

// goOn lets any number of records be under way again where one that brokers refuse was found and the next one is none.
func (p *producer) goOn() {
	for _, l := range p.lines {
		if l.found {
			l.most, l.found = 0, false
		}
	}
}

// unbounded lets any number of records be under way again, when all that were to be written are.
func (p *producer) unbounded() {
	for _, l := range p.lines {
		l.most, l.found = 0, false
	}
}

// landed notes that nothing is under way any more.
func (p *producer) landed() {
	for _, l := range p.lines {
		clear(l.flying)
	}
}

// sizeOf is what a record takes in a batch, or a little more.
func sizeOf(r *kgo.Record) int {
	size := 32 + len(r.Key) + len(r.Value)
	for _, h := range r.Headers {
		size += 10 + len(h.Key) + len(h.Value)
	}
	return size
}
