package dlq

import (
	"bytes"
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/retrytopics"
)

// parts are the errors that an error joins, or is.
func parts(err error) []error {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return all.Unwrap()
	}
	return []error{err}
}

// damages says whether the error is of the header with that name.
func damages(err error, name string) bool {
	return err != nil && slices.ContainsFunc(parts(err), func(one error) bool {
		var damaged *retrytopics.DamagedHeaderError
		return errors.As(one, &damaged) && damaged.Header == name
	})
}

// damage is what is wrong with the headers of an entry, without what is hidden of those that it quotes: was are the headers, shown the same ones without what
// is hidden.
func (r *Redaction) damage(err error, was, shown []kgo.RecordHeader) error {
	if err == nil {
		return nil
	}
	var all []error
	for _, one := range parts(err) {
		var damaged *retrytopics.DamagedHeaderError
		if errors.As(one, &damaged) {
			one = r.damaged(*damaged, was, shown)
		} else if text := r.String(one.Error()); text != one.Error() {
			one = errors.New(text)
		}
		all = append(all, one)
	}
	return errors.Join(all...)
}

// damaged is one of them. Of a header of which a part is hidden it tells the value where it is whole, for what is hidden is not found in a part of it. What is
// wrong with it may quote it too, with letters escaped and further on, and goes then.
func (r *Redaction) damaged(d retrytopics.DamagedHeaderError, was, shown []kgo.RecordHeader) error {
	told, hides := Redacted, false
	for i, h := range was {
		switch {
		case h.Key != d.Header || len(h.Value) == 0:
		case r.hidesHeader(h.Key):
			hides = true
		case !bytes.Equal(h.Value, shown[i].Value):
			hides = true
			if string(h.Value) == d.Value {
				told = string(shown[i].Value)
			}
		}
	}
	if hides {
		d.Value, d.Problem = told, "is damaged"
	}
	return &d
}
