package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redeliver/redeliver/adaptive"
	"github.com/redeliver/redeliver/classify"
)

// Learner is what a member needs of a pipeline whose delays are learned; *adaptive.Learner is one. Methods are called
// concurrently.
type Learner interface {
	Recall(m adaptive.Memory, now time.Time) error
	Unkept(now time.Time) []adaptive.Memory
	Unkeep()
}

// keepEvery is how often it is looked whether there is something to keep; the first look after a write comes up to twice as late.
const keepEvery = 5 * time.Second

// keeping is a learner whose memories are kept.
type keeping struct {
	Learner
	look    time.Time // when there may be something to keep
	writing int
}

// Keep keeps in the control topic what a pipeline learns, by its group. What stands there already the learner is told, before
// [Member.Ready]. Keep learners before Run.
func (m *Member) Keep(group string, l Learner) {
	m.mu.Lock()
	m.learners[group] = &keeping{Learner: l}
	m.mu.Unlock()
}

// learnedPrefix begins the keys of what was learned, as in "learned/billing/payments-api/network": the group, the dependency
// and the class. In the names "/" stands as "%2F".
const learnedPrefix = "learned/"

// learned is a record about what a group has learned.
type learned struct {
	group  string
	by     string // who wrote it, for people
	memory adaptive.Memory
}

// learnedValue is its value on the wire. What the buckets are belongs to the version, see [adaptive.Memory].
type learnedValue struct {
	Version      int      `json:"v"`
	By           string   `json:"by,omitempty"`
	At           int64    `json:"at,omitempty"` // Unix milliseconds
	Observations figure   `json:"observations"`
	Waited       []figure `json:"waited"`
	Recovered    []figure `json:"recovered"`
}

// figure is a number with four digits: what is learned is not known better.
type figure float64

// MarshalJSON implements json.Marshaler.
func (f figure) MarshalJSON() ([]byte, error) {
	return json.Marshal(json.Number(strconv.FormatFloat(float64(f), 'g', 4, 64)))
}

func figures[To, From ~float64](from []From) []To {
	to := make([]To, len(from))
	for i, f := range from {
		to[i] = To(f)
	}
	return to
}

func (l learned) key() []byte {
	return []byte(learnedPrefix + url.PathEscape(l.group) + "/" + url.PathEscape(l.memory.Dependency) + "/" + l.memory.Class.String())
}

func (l learned) value() []byte {
	text, err := json.Marshal(learnedValue{
		Version: version, By: clip(l.by), At: millis(l.memory.At), Observations: figure(l.memory.Observations),
		Waited: figures[figure](l.memory.Waited), Recovered: figures[figure](l.memory.Recovered),
	})
	if err != nil {
		panic(err) // there is nothing in it that cannot be written: what is known is finite
	}
	return text
}

// isLearned reports whether a key is one of what was learned.
func isLearned(key []byte) bool { return strings.HasPrefix(string(key), learnedPrefix) }

// decodeLearned reads a record. What it does not know, of a later version or of somebody else, is an error.
func decodeLearned(key, text []byte) (l learned, err error) {
	if l.group, l.memory.Key, err = decodeLearnedKey(string(key)); err != nil {
		return learned{}, err
	}
	var v learnedValue
	if err := decodeValue(text, &v, &v.Version); err != nil {
		return learned{}, err
	}
	l.by, l.memory.Observations = clip(v.By), float64(v.Observations)
	l.memory.Waited, l.memory.Recovered = figures[float64](v.Waited), figures[float64](v.Recovered)
	if v.At != 0 {
		l.memory.At = time.UnixMilli(v.At)
	}
	if err := l.memory.Check(); err != nil {
		return learned{}, err
	}
	return l, nil
}

func decodeLearnedKey(key string) (group string, k adaptive.Key, err error) {
	parts := strings.Split(strings.TrimPrefix(key, learnedPrefix), "/")
	if len(parts) != 3 || len(key) > 3*maxName {
		return "", k, errors.New("its key names no group, dependency and class")
	}
	if group, err = url.PathUnescape(parts[0]); err != nil {
		return "", k, fmt.Errorf("its key names no group: %w", err)
	}
	if k.Dependency, err = url.PathUnescape(parts[1]); err != nil {
		return "", k, fmt.Errorf("its key names no dependency: %w", err)
	}
	if k.Class, err = classify.Parse(parts[2]); err != nil {
		return "", k, fmt.Errorf("its key names no class: %w", err)
	}
	if again := (learned{group: group, memory: adaptive.Memory{Key: k}}); group == "" || string(again.key()) != key {
		return "", k, errors.New("its key is not written as it should be")
	}
	return group, k, nil
}

// recalls tells the learner of a group what stands in the topic, since a time of the log's.
func (m *Member) recalls(at time.Time, key, value []byte) error {
	l, err := decodeLearned(key, value)
	if err != nil {
		return err
	}
	k := m.learners[l.group]
	if k == nil {
		return nil // it is another process's
	}
	l.memory.At = at
	return k.Recall(l.memory, time.Now())
}

// keepLearned writes what is worth keeping. Who looks first writes, and the others see that it is kept.
func (m *Member) keepLearned(now time.Time) (moves []func(context.Context)) {
	for group, k := range m.learners {
		if k.writing > 0 || now.Before(k.look) {
			continue
		}
		k.look = now.Add(keepEvery + anyOf(keepEvery))
		for _, memory := range k.Unkept(now) {
			l := learned{group: group, by: m.by, memory: memory}
			if _, err := decodeLearned(l.key(), l.value()); err != nil {
				m.log.Warn("what was learned about delays cannot be kept", "group", group, "dependency", memory.Dependency, "class", memory.Class, "error", err)
				continue
			}
			k.writing++
			moves = append(moves, func(ctx context.Context) {
				m.journal.append(ctx, l.key(), l.value(), func(_ int64, err error) {
					m.mu.Lock()
					m.wrote(l.key(), err)
					k.writing--
					m.mu.Unlock()
				})
			})
		}
	}
	return moves
}
