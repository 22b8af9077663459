package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// position says where each new partition begins: at its commit, else by the rules for the group's first start. The
// positions of partitions without a commit are committed at once, so that a start at the end stays where it was. It takes partitions out of
// offsets that are not this member's, and those that the group's client does not read.
func (p *Pipeline) position(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	offsets, err := p.placeAll(ctx, offsets)
	if err != nil {
		return nil, err
	}
	return p.begin(offsets), nil
}

// placeAll gives the lanes of new partitions their places.
func (p *Pipeline) placeAll(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	p.disown(offsets)
	if len(offsets) == 0 {
		return offsets, nil
	}
	var committed kadm.OffsetResponses
	for {
		var err error
		committed, err = p.admin.FetchOffsets(kadm.RequireStable(ctx), p.cfg.Group)
		if errors.Is(err, kerr.GroupIDNotFound) {
			break
		}
		if err == nil {
			err = unread(committed, offsets)
		}
		if err == nil {
			break
		}
		p.faults.note("positions", "", -1, err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
	p.faults.clear("positions")
	p.topics.learn(committed)
	unknown := make(map[string]map[int32]kgo.Offset)
	for topic, ps := range offsets {
		for part, off := range ps {
			if c, ok := committed.Lookup(topic, part); ok && c.At >= 0 && !p.topics.earlier(topic, c.Metadata) {
				p.place(topic, part, c.At, c.At, c.Metadata)
				p.restore(topic, part, c.Offset)
				continue
			}
			if unknown[topic] == nil {
				unknown[topic] = make(map[int32]kgo.Offset)
			}
			unknown[topic][part] = off
		}
	}
	defer p.toldAssigned(offsets)
	defer p.scan(offsets)
	if len(unknown) == 0 {
		return offsets, nil
	}
	for topic, ps := range unknown {
		first := p.topics.firstStart(topic, committed)
		starts := make(map[bool]kadm.ListedOffsets)
		for part := range ps {
			at, err := p.startOffset(ctx, starts, topic, part, first(part))
			if err != nil {
				return nil, fmt.Errorf("find where %s/%d starts: %w", topic, part, err)
			}
			offsets[topic][part] = kgo.NewOffset().At(at)
			p.place(topic, part, at, -1, "")
		}
	}
	p.faults.clear("start")
	p.committer.moved()
	p.disown(offsets) // topics that were waited for may be others by now
	return offsets, nil
}

// disown takes out the partitions that have no lane and will get none. The client asks for the position of one that it has lost, with a
// topic that was forgotten, when it did not get it in time before. It would read it beside its owner, and when it becomes this
// member's one day go on from where it is by then.
func (p *Pipeline) disown(offsets map[string]map[int32]kgo.Offset) {
	p.kept.mu.Lock()
	defer p.kept.mu.Unlock()
	for topic, ps := range offsets {
		for part := range ps {
			if _, kept := p.kept.parts[partition{topic, part}]; !kept && p.intake.lane(topic, part) == nil {
				delete(ps, part)
			}
		}
		if len(ps) == 0 {
			delete(offsets, topic)
		}
	}
}

// unread returns why the commit of any of the partitions could not be read, as while a transaction that is to commit it
// is open.
func unread(committed kadm.OffsetResponses, parts map[string]map[int32]kgo.Offset) error {
	for topic, ps := range parts {
		for part := range ps {
			if c, _ := committed.Lookup(topic, part); c.Err != nil {
				return fmt.Errorf("%s/%d: %w", topic, part, c.Err)
			}
		}
	}
	return nil
}

func (p *Pipeline) toldAssigned(offsets map[string]map[int32]kgo.Offset) {
	if len(p.hooks.assigned) == 0 || len(offsets) == 0 {
		return
	}
	parts := make(map[string][]int32)
	for topic, ps := range offsets {
		parts[topic] = slices.Sorted(maps.Keys(ps))
	}
	for _, h := range p.hooks.assigned {
		h.OnAssigned(p.cfg.Name, parts)
	}
}

// startOffset resolves the configured start, or the beginning of the partition. starts keeps what was listed.
func (p *Pipeline) startOffset(ctx context.Context, starts map[bool]kadm.ListedOffsets, topic string, part int32, first bool) (int64, error) {
	for {
		if o, ok := starts[first].Lookup(topic, part); ok && o.Err == nil {
			return o.Offset, nil
		}
		var err error
		switch s := p.cfg.Start; {
		case first && s.latest:
			starts[first], err = p.admin.ListCommittedOffsets(ctx, topic)
		case first && !s.at.IsZero():
			starts[first], err = p.admin.ListOffsetsAfterMilli(ctx, s.at.UnixMilli(), topic)
		default:
			starts[first], err = p.admin.ListStartOffsets(ctx, topic)
		}
		if o, ok := starts[first].Lookup(topic, part); err == nil && ok && o.Err == nil {
			continue
		}
		err = errors.Join(err, starts[first].Error())
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			p.topics.missing(topic)
		}
		p.faults.note("start", topic, part, err)
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// place tells a lane where it begins, and what the group's last commit of it says.
func (p *Pipeline) place(topic string, part int32, at, committed int64, metadata string) {
	l := p.intake.lane(topic, part)
	if l == nil {
		return
	}
	l.strand.mu.Lock()
	l.next, l.placed, l.committed, l.said = at, true, committed, said{committed, metadata}
	l.stands = l.said
	l.strand.mu.Unlock()
}

// metadataTold is how many bytes of metadata that is not ours are told.
const metadataTold = 100

func beginning(text string) string {
	if len(text) > metadataTold {
		return strings.ToValidUTF8(text[:metadataTold], "") + "..."
	}
	return text
}

// restore tells a lane what was done above the commit that it begins at.
func (p *Pipeline) restore(topic string, part int32, c kadm.Offset) {
	var done []span
	err := checkNote(c.Metadata)
	if text := doneIn(c.Metadata); text != "" {
		var errDone error
		done, errDone = readDone(text, c.At, p.topics.id(topic))
		err = cmp.Or(errDone, err)
	}
	if err != nil {
		p.log.Warn("the metadata of a commit is not ours or damaged, and left alone: what was done above the commit is handled again", "pipeline", p.cfg.Name,
			"topic", topic, "partition", part, "offset", c.At, "metadata", beginning(c.Metadata), "error", err)
	}
	if len(done) == 0 {
		return
	}
	if l := p.intake.lane(topic, part); l != nil {
		l.strand.mu.Lock()
		l.window.restore(done, c.LeaderEpoch)
		l.strand.mu.Unlock()
	}
}
