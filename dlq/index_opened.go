package dlq

import (
	"time"
)

// opened is a segment that a query looks into.
type opened struct {
	columns
	ref            segmentRef
	start          int64 // of the partition
	marks          []byte
	view           IndexView
	errors, values *arena // nil: not needed yet
	wanted         []bool
	where          whereabouts // what is looked for may be
	share          int         // entries in a block
	heldByErrors   int         // texts that were looked for, more than by values
	err            error       // that ended a look into a text: nothing matches any more
}

// open reads the columns and marks of a segment.
func (iq *indexQuery) open(v IndexView, partition int32, ref segmentRef, wanted []bool, where whereabouts) (*opened, error) {
	names := []string{ref.name(partColumns), ref.name(partMarks)}
	got, err := v.Get(names...)
	if err != nil {
		return nil, err
	}
	o := &opened{ref: ref, start: iq.starts[partition], wanted: wanted, view: v, where: where}
	if o.columns, err = columnsOf(names[0], got[0]); err != nil {
		return nil, err
	}
	if o.marks, err = marksIn(ref, o.n, got[1]); err != nil {
		return nil, err
	}
	o.share = max(entriesInBlock(o.n), 1)
	return o, nil
}

// errorText is the text of the error of entry i.
func (o *opened) errorText(i int) []byte { return o.text(&o.errors, partErrors, o.errorEnds, i) }

// value is the payload of entry i.
func (o *opened) value(i int) []byte { return o.text(&o.values, partValues, o.valueEnds, i) }

func (o *opened) text(from **arena, part string, ends []byte, i int) []byte {
	if *from == nil {
		name := o.ref.name(part)
		got, err := o.view.Get(name)
		if err == nil {
			*from, err = arenaOf(name, got[0], ends, o.n)
		}
		if err != nil {
			o.err = err
			return nil
		}
	}
	text, err := (*from).text(i)
	if err != nil {
		o.err = err
	}
	return text
}

// in says whether the block of entry i is one of these.
func (o *opened) in(blocks uint64, i int) bool { return blocks>>(i/o.share)&1 == 1 }

// holds says whether the error or the payload of entry i holds a text. It looks first where that stood more often, for what stands there need not be looked
// for in the other one.
func (o *opened) holds(text *textFinder, i int) bool {
	inError := func() bool {
		found := o.in(o.where.errors, i) && text.in(o.errorText(i))
		if found {
			o.heldByErrors++
		}
		return found
	}
	inValue := func() bool {
		found := o.in(o.where.values, i) && text.in(o.value(i))
		if found {
			o.heldByErrors--
		}
		return found
	}
	if o.heldByErrors < 0 {
		return inValue() || inError()
	}
	return inError() || inValue()
}

// stored makes an entry of what is stored. It holds nothing of the store. records are those of the segment, nil: they are not read yet.
func (iq *indexQuery) stored(o *opened, records *packs, partition int32, i int) (Entry, *packs, error) {
	if records == nil {
		got, err := o.view.Get(o.ref.name(partRecords))
		if err != nil {
			return Entry{}, nil, err
		}
		if records, err = packsOf(o.ref, got[0]); err != nil {
			return Entry{}, nil, err
		}
	}
	r, valued, err := records.record(i)
	if err != nil {
		return Entry{}, nil, err
	}
	if valued {
		r.Value = append([]byte{}, o.value(i)...)
	}
	if o.err != nil {
		return Entry{}, nil, o.err
	}
	r.Topic, r.Partition, r.Offset, r.Timestamp = iq.topic.Topic, partition, o.offset(i), time.UnixMilli(int64(u64(o.written, i)))
	return entryOf(r, iq.topic.ID), records, nil
}
