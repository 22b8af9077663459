package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/config"
	"github.com/redeliver/redeliver/retrytopics"
)

// permissions are what the user may do with the topics that there are, as the brokers tell it. A broker that does not
// tell leaves nothing to check.
type permissions struct {
	topics map[string][]kmsg.ACLOperation
}

// allowedIn asks what the client's user may do.
func allowedIn(ctx context.Context, client *kgo.Client) *permissions {
	request := kmsg.NewPtrMetadataRequest() // no topics: all
	request.Topics = nil
	request.IncludeTopicAuthorizedOperations = true
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil
	}
	p := &permissions{topics: map[string][]kmsg.ACLOperation{}}
	for _, t := range response.Topics {
		if t.Topic != nil && t.AuthorizedOperations > 0 { // the least int32: not told
			p.topics[*t.Topic] = operations(t.AuthorizedOperations)
		}
	}
	return p
}

// operations reads the bits of authorized operations.
func operations(bits int32) []kmsg.ACLOperation {
	var all []kmsg.ACLOperation
	for op := kmsg.ACLOperationAny; op <= kmsg.ACLOperationIdempotentWrite; op++ {
		if bits&(1<<uint(op)) != 0 {
			all = append(all, op)
		}
	}
	return all
}

// check compares what is allowed with what a pipeline does to its topics.
func (p *permissions) check(what string, pipeline *config.Pipeline, want retrytopics.Want) []check {
	if p == nil || len(p.topics) == 0 {
		return []check{{checkWarning, what, "the broker does not tell what this user may do", ""}}
	}
	const read, write, remove = kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDelete
	var failed []check
	lacking := func(result, topic string, why string, needed ...kmsg.ACLOperation) {
		allowed, told := p.topics[topic]
		if !told {
			return
		}
		var lacks []string
		for _, op := range needed {
			if !slices.Contains(allowed, op) {
				lacks = append(lacks, op.String())
			}
		}
		if len(lacks) > 0 {
			failed = append(failed, check{result, what, fmt.Sprintf("the user lacks %s on %s", strings.Join(lacks, ", "), topic), why})
		}
	}
	names := pipeline.Names()
	for _, source := range want.Sources {
		lacking(checkFailed, source, "it is needed to read the source", read)
		tiers := slices.Clone(want.Tiers)
		if want.Park {
			tiers = append(tiers, retrytopics.Park)
		}
		for _, tier := range tiers {
			topic := names.RetryTopic(source, tier)
			lacking(checkFailed, topic, "it is needed to retry", read, write)
			lacking(checkWarning, topic, "without it what is done cannot be trimmed away, and the topic keeps it as long as its retention says", remove)
		}
		if want.DLQ {
			dead := names.DLQTopic(source)
			lacking(checkFailed, dead, "it is needed to write dead letters", write)
			if pipeline.Retry.OnDeadLetter == "hold" {
				lacking(checkFailed, dead, "it is needed to know which keys are closed", read)
				lacking(checkFailed, retrytopics.LedgerTopic(dead), "it is needed to know which keys are open again", read)
			}
			lacking(checkWarning, dead, "it is needed to list and replay dead letters", read)
			lacking(checkWarning, retrytopics.LedgerTopic(dead), "it is needed to replay dead letters", read, write)
		}
	}
	if len(failed) == 0 {
		return []check{{Result: checkOK, What: what, Found: "the user may do what the pipeline does to the topics that exist"}}
	}
	return failed
}
