package dlq

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/redeliver/redeliver/classify"
	"github.com/redeliver/redeliver/internal/released"
	"github.com/redeliver/redeliver/retrytopics"
)

var (
	releasedTime = time.UnixMilli(1_767_225_600_123)
	releasedKeys = keysOf([16]byte{1, 2, 3})
)

// releasedReplay sets everything that a replay which is written down may say.
func releasedReplay() Replay {
	return Replay{
		Filter: Filter{
			IDs: []string{"orders/3/1042"}, Class: classify.Network, Severity: classify.High, Reason: retrytopics.ReasonExhausted, Topic: "orders",
			Since: releasedTime.UTC(), Until: releasedTime.UTC().Add(time.Hour), ExpiringBefore: releasedTime.UTC().Add(2 * time.Hour), Key: []byte{0xff, 'k'},
			Error: regexp.MustCompile("reset|refused"), Text: "acme", Fingerprints: []Fingerprint{42}, Status: []Status{StatusOpen, StatusLimited}, All: true, Limit: 7,
		},
		To: Source, Rate: 2.5, Concurrency: 100, Canary: 10, CanaryRate: 0.9, StopAt: 0.2, Wait: true, MaxReplays: 5,
		SetHeaders: []kgo.RecordHeader{{Key: "a", Value: []byte{0xfe}}, {Key: "null"}}, UnsetHeaders: []string{"b"}, SetKey: []byte("new"), JQ: ".a", Again: true, By: "ops@host",
	}
}

// TestReleasedLedger: what any release wrote to a ledger is read as it was meant.
func TestReleasedLedger(t *testing.T) {
	q := &Queue{topic: "billing.orders.dlq"}
	self := Writer{Run: "0198-run", By: "ops@host", Doing: doingReplay, Task: "0198-run", At: releasedTime}
	w := &writer{queue: q, ledger: LedgerTopic(q.topic), keys: releasedKeys, self: self, edit: "set key"}
	later := *w
	later.self.Run = "0199-run"
	ended := *w
	ended.self.Ended, ended.self.Doing = true, doingDiscard
	entry := &Entry{Partition: 3, Offset: 17, State: retrytopics.State{ID: "orders/3/1042", Group: "billing", Replays: 2, Replay: "0197-run/7"}}
	renewed := *entry
	renewed.Mark.Renewed = releasedTime.Add(-time.Hour)
	carried := *entry
	carried.Mark = Mark{At: releasedTime.Add(-time.Hour), By: "ann", Run: "0196-run", Task: "0195-run", Reason: "waits", Renewed: releasedTime}

	marked := func(w *writer, e *Entry, status Status, to, reason string) *kgo.Record {
		r := new(kgo.Record)
		w.mark(r, e, status, releasedTime, releasedTime.UnixMilli(), to, reason)
		r.Partition = 0 // as the samples have it: of a ledger with one partition
		return r
	}
	records := map[string]*kgo.Record{
		"writer": w.sign(releasedTime.Add(time.Second)), "writer that goes on": later.sign(releasedTime.Add(time.Second)), "writer that ended": ended.sign(releasedTime),
		"mark by one that goes on":    marked(&later, entry, StatusReplayed, "orders", ""),
		"mark of what was renewed":    marked(w, &renewed, StatusOpen, "", "renewed"),
		"mark that carries forward":   marked(w, &carried, StatusParked, "", "waits"),
		"mark of a first dead letter": marked(w, &Entry{State: retrytopics.State{ID: "o/0/0", Group: "g"}}, StatusDiscarded, "", ""),
	}
	first := &Entry{Partition: 3, Offset: 18, State: retrytopics.State{ID: "orders/3/1043", Group: "billing", Timestamp: releasedTime.Add(-time.Minute)}}
	records["mark that says a birth"] = marked(w, first, StatusParked, "", "waits")
	for _, status := range []Status{StatusOpen, StatusReplayed, StatusDiscarded, StatusLimited, StatusParked} {
		records["mark "+status.String()] = marked(w, entry, status, "billing.orders.retry-1s", "told so")
	}
	for _, state := range []TaskState{TaskWaiting, TaskRunning, TaskPaused, TaskDone, TaskStopped, TaskCancelled} {
		records["task "+string(state)] = q.taskRecord(releasedKeys, &Task{
			ID: "0198-run", State: state, Why: "by ops@host", Replay: releasedReplay(), By: "ops@host", At: releasedTime,
			Done: 9, Succeeded: 7, Failed: 2, To: map[string]int64{"orders": 9}, ends: map[int32]int64{0: 5, 3: 18}, canary: true,
		}, releasedTime.Add(time.Second).UnixMilli())
	}
	plain := (&Queue{}).newTask(Replay{By: "ops@host"}, releasedTime)
	plain.ID = "0198-plain"
	records["task that replays all"] = q.taskRecord(releasedKeys, plain, releasedTime.UnixMilli())
	shared := (&Queue{}).newTask(Replay{By: "ops@host", To: ToTopic("elsewhere"), MaxReplays: -1}, releasedTime)
	shared.ID = "0198-shared"
	records["task to a shared topic"] = q.taskRecord(releasedKeys, shared, releasedTime.UnixMilli())
	counted := (&Queue{}).newTask(Replay{By: "ops@host"}, releasedTime)
	counted.ID, counted.State, counted.Kept, counted.away = "0198-counted", TaskRunning, true, true
	counted.AnyGroup = true
	counted.ends, counted.starts = map[int32]int64{0: 5, 3: 18}, map[int32]int64{0: 1, 3: 0}
	counted.life, counted.first = "20260101-000000-5f1c", map[int32]int64{0: 2}
	counted.Skipped = Skipped{
		Replayed: 1, Discarded: 2, Superseded: 3, Parked: 4, Limited: 5, OtherGroup: 6, KeptLost: true, Taken: 7, LeftOut: []LeftOut{{Why: "too large", Count: 8, ID: "k7qp-3-1042"}},
	}
	records["task with what it covers and has left out"] = q.taskRecord(releasedKeys, counted, releasedTime.UnixMilli())
	byHand := (&Queue{}).newTask(Replay{By: "ops@host", Edit: func(*kgo.Record) error { return nil }}, releasedTime)
	byHand.ID = "0198-hand"
	records["task that is edited by hand"] = q.taskRecord(releasedKeys, byHand, releasedTime.UnixMilli())
	often := *entry
	often.Mark.Times = 4
	records["mark of what was replayed often"] = marked(w, &often, StatusReplayed, "orders", "")
	beganAt := *w
	beganAt.began = map[int32]int64{0: 40}
	purged := &purge{
		Purge: Purge{Before: releasedTime.Add(-time.Hour), IncludeOpen: true}, done: &Purged{Run: "0198-purge"}, spared: releasedTime.Add(-2 * time.Hour).UnixMilli(),
		task:   &task{writer: &beganAt, survey: &survey{ledger: &ledger{latest: releasedTime.UnixMilli()}}},
		starts: map[int32]int64{0: 1}, cuts: map[int32]int64{0: 3}, ends: map[int32]int64{0: 9},
	}
	records["purge"] = purged.records()[0]
	records["mark that is taken out"] = &kgo.Record{Key: marked(w, entry, StatusDiscarded, "", "").Key, Headers: []kgo.RecordHeader{{
		Key: headerForgets, Value: purged.forgets(&ledgerValue{ID: entry.State.ID, Group: "billing", Replays: 2, Replay: "0197-run/7", Born: 17, Seen: 40}),
	}}}
	for _, what := range []string{wishPause, wishCancel} {
		value := ledgerValue{V: ledgerVersion, At: releasedTime.UnixMilli(), By: "ops@host", Run: "0198-run", Doing: doingWish, Reason: what}
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		records["wish "+what] = &kgo.Record{Key: releasedKeys.wish("0198-run"), Value: text}
		value.TaskID = "0198-run"
		if text, err = json.Marshal(value); err != nil {
			t.Fatal(err)
		}
		records["wish "+what+" of a task that nobody works on"] = &kgo.Record{Key: releasedKeys.wish("0198-run"), Value: text}
	}

	var today []released.Sample
	for _, name := range slices.Sorted(maps.Keys(records)) {
		today = append(today, released.Sample{Name: name, Record: records[name]})
	}
	released.Check(t, "ledger", today, readReleasedLedger)
	for _, name := range namesIn(reflect.TypeFor[ledgerValue]()) {
		if !slices.ContainsFunc(today, func(s released.Sample) bool { return strings.Contains(string(s.Record.Value), `"`+name+`":`) }) {
			t.Errorf("no sample has %q in it: a later release might name it otherwise, and nobody would see it", name)
		}
	}
}

// namesIn are those that a type's fields have in JSON, and the fields of those.
func namesIn(t reflect.Type) (names []string) {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return namesIn(t.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			names = append(append(names, name), namesIn(t.Field(i).Type)...)
		}
	}
	return names
}

func readReleasedLedger(r *kgo.Record) (map[string]any, error) {
	v, about, err := releasedKeys.decode(r)
	if err != nil || !about {
		return nil, errors.Join(err, errNotAbout(about))
	}
	l := newLedger()
	l.add([]ledgerValue{v})
	switch {
	case v.Doing == doingTask:
		task, err := v.task()
		if err != nil {
			return nil, err
		}
		spec, err := json.Marshal(specOf(task.Replay))
		leftOut := []any{}
		for _, one := range task.Skipped.LeftOut {
			leftOut = append(leftOut, []any{one.Why, one.Count, one.ID})
		}
		return map[string]any{
			"task": task.ID, "state": task.State, "why": task.Why, "by": task.By, "began": task.At.UnixMilli(), "change": task.Change.UnixMilli(), "replay": json.RawMessage(spec),
			"done": task.Done, "succeeded": task.Succeeded, "failed": task.Failed, "to": task.To, "ends": task.ends, "canary": task.canary,
			"starts": task.starts, "kept": task.Kept, "index": task.life, "index_from": task.first, "index_away": task.away, "by_hand": task.Replay.Edit != nil, "any_group": task.AnyGroup, "groups_not_said": task.silent,
			"skipped": []int64{
				task.Skipped.Replayed, task.Skipped.Discarded, task.Skipped.Superseded, task.Skipped.Parked, task.Skipped.Limited, task.Skipped.OtherGroup, task.Skipped.Taken,
			},
			"kept_lost": task.Skipped.KeptLost, "left_out": leftOut,
		}, err
	case v.Doing == doingPurged:
		p := v.Purge
		return map[string]any{
			"purge": l.purges, "at": p.At, "from": p.From, "to": p.To, "ends": p.Ends, "until": p.Until, "open": p.Open, "forgot": p.Forgot, "ledger": p.Ledger,
		}, nil
	case v.Doing == doingWish:
		wish := l.wishes[v.Run]
		says := map[string]any{"wish": wish.what, "by": wish.by, "run": v.Run}
		if v.TaskID != "" {
			l.tasks[v.TaskID] = &Task{ID: v.TaskID, State: TaskWaiting}
			l.add([]ledgerValue{v})
			t := l.standing(l.tasks[v.TaskID], releasedTime)
			says["task"], says["state"], says["why"], says["change"] = t.ID, t.State, t.Why, t.Change.UnixMilli()
		}
		return says, nil
	case v.Doing != "":
		w := l.writer
		return map[string]any{"run": w.Run, "by": w.By, "doing": w.Doing, "task": w.Task, "at": w.At.UnixMilli(), "alive": w.Alive.UnixMilli(), "ended": w.Ended}, nil
	}
	if v.forgets {
		says := map[string]any{"id": v.ID, "group": v.Group, "replays": v.Replays, "replay": v.Replay, "born": v.Born, "forgets": true, "at": v.At}
		if v.Seen != 0 {
			says["seen"] = v.Seen
		}
		return says, nil
	}
	m := l.describe(l.marks[identify(v.ID, v.Group, v.Replays, v.Replay)])
	says := map[string]any{
		"id": v.ID, "group": v.Group, "replays": v.Replays, "replay": v.Replay, "status": m.Status.String(), "at": m.At.UnixMilli(), "by": m.By, "run": m.Run, "task": m.Task,
		"to": m.To, "reason": m.Reason, "edit": m.Edit,
	}
	if v.Born != 0 {
		says["born"] = v.Born
	}
	if m.seen != 0 {
		says["seen"] = m.seen
	}
	if v.Until != 0 {
		says["until"] = m.until
	}
	if v.Times != 0 {
		says["times"] = m.Times
	}
	if !m.Renewed.IsZero() {
		says["renewed"] = m.Renewed.UnixMilli()
	}
	return says, nil
}

func errNotAbout(about bool) error {
	if about {
		return nil
	}
	return errors.New("it says nothing of this dead-letter topic")
}

// TestReleasedExports: what `dlq export` of any release wrote is imported as it was.
func TestReleasedExports(t *testing.T) {
	var today []released.Sample
	for name, e := range map[string]Entry{
		"bytes": {Topic: "billing.orders.dlq", Partition: 3, Offset: 17, Status: StatusParked, Record: &kgo.Record{
			Key: []byte("k"), Value: []byte{0xff, 0}, Timestamp: releasedTime, Headers: []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a"}},
		}},
		"nulls": {Topic: "billing.orders.dlq", Record: &kgo.Record{Timestamp: releasedTime}},
	} {
		text, err := json.Marshal(e.Export())
		if err != nil {
			t.Fatal(err)
		}
		today = append(today, released.Sample{Name: name, Record: &kgo.Record{Value: text}})
	}
	released.Check(t, "export", today, func(r *kgo.Record) (map[string]any, error) {
		var x Exported
		if err := errors.Join(json.Unmarshal(r.Value, &x), x.Check()); err != nil {
			return nil, err
		}
		was := x.Record()
		return map[string]any{
			"topic": was.Topic, "partition": was.Partition, "timestamp": was.Timestamp.UnixMilli(), "key": was.Key, "value": was.Value, "headers": was.Headers, "status": x.Status.String(),
		}, nil
	})
}
