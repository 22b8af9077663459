package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/redeliver/redeliver/internal/config"
)

// permissions are what the user may do, as the brokers tell it. What a broker does not tell is not checked.
type permissions struct {
	topics       map[string][]kmsg.ACLOperation // of those that are told
	cluster      []kmsg.ACLOperation
	groups       map[string][]kmsg.ACLOperation
	transactions map[string]bool // by transactional id: whether the user may use it
}

// allowedIn asks what the client's user may do of what it needs.
func allowedIn(ctx context.Context, client *kgo.Client, needed []config.Privilege) *permissions {
	p := &permissions{topics: make(map[string][]kmsg.ACLOperation), groups: make(map[string][]kmsg.ACLOperation), transactions: make(map[string]bool)}
	p.askTopics(ctx, client, needed)
	for _, n := range needed {
		switch n.Resource {
		case "group":
			p.askGroup(ctx, client, n.Name)
		case "transactional_id":
			p.askTransaction(ctx, client, n.Name)
		}
	}
	return p
}

// askTopics asks by name: of all topics a broker leaves out those that the user may not see.
func (p *permissions) askTopics(ctx context.Context, client *kgo.Client, needed []config.Privilege) {
	request := kmsg.NewPtrMetadataRequest()
	request.IncludeTopicAuthorizedOperations = true
	asked := make(map[string]bool)
	for _, n := range needed {
		if n.Resource == "topic" && !asked[n.Name] {
			asked[n.Name] = true
			topic := kmsg.NewMetadataRequestTopic()
			topic.Topic = kmsg.StringPtr(n.Name)
			request.Topics = append(request.Topics, topic)
		}
	}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return
	}
	for _, t := range response.Topics {
		switch {
		case t.Topic == nil:
		case errors.Is(kerr.ErrorForCode(t.ErrorCode), kerr.TopicAuthorizationFailed):
			p.topics[*t.Topic] = nil
		case t.AuthorizedOperations > 0: // the least int32: not told
			p.topics[*t.Topic] = operations(t.AuthorizedOperations)
		}
	}
	cluster := kmsg.NewPtrDescribeClusterRequest()
	cluster.IncludeClusterAuthorizedOperations = true
	if described, err := cluster.RequestWith(ctx, client); err == nil && described.ClusterAuthorizedOperations > 0 {
		p.cluster = operations(described.ClusterAuthorizedOperations)
	}
}

func (p *permissions) askGroup(ctx context.Context, client *kgo.Client, group string) {
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups, request.IncludeAuthorizedOperations = []string{group}, true
	response, err := request.RequestWith(ctx, client)
	if err == nil && len(response.Groups) == 1 {
		err = kerr.ErrorForCode(response.Groups[0].ErrorCode)
	}
	switch {
	case errors.Is(err, kerr.GroupAuthorizationFailed): // by its coordinator, or by who should have named that
		p.groups[group] = nil
	case err == nil && len(response.Groups) == 1 && response.Groups[0].AuthorizedOperations > 0:
		p.groups[group] = operations(response.Groups[0].AuthorizedOperations)
	}
}

// askTransaction asks who coordinates the transactional id, which a broker tells nobody who may not use it.
func (p *permissions) askTransaction(ctx context.Context, client *kgo.Client, id string) {
	request := kmsg.NewPtrFindCoordinatorRequest()
	request.CoordinatorType, request.CoordinatorKey, request.CoordinatorKeys = 1, id, []string{id}
	response, err := request.RequestWith(ctx, client)
	if err == nil {
		err = kerr.ErrorForCode(response.ErrorCode)
		if len(response.Coordinators) == 1 {
			err = kerr.ErrorForCode(response.Coordinators[0].ErrorCode)
		}
	}
	p.transactions[id] = !errors.Is(err, kerr.TransactionalIDAuthorizationFailed)
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

// check compares what is allowed with what is needed.
func (p *permissions) check(what string, needed []config.Privilege) []check {
	if len(p.topics) == 0 {
		return []check{{checkWarning, what, "the broker does not tell what this user may do", ""}}
	}
	var lacking []check
	for _, n := range needed {
		if p.allows(n) {
			continue
		}
		result := check{checkWarning, what, fmt.Sprintf("the user lacks %s on %s", n.Operation, resourceText(n)), "it is needed to " + n.Why}
		if n.Must && slices.Contains(n.For, config.ForRun) {
			result.Result = checkFailed
		}
		lacking = append(lacking, result)
	}
	if len(lacking) == 0 {
		return []check{{Result: checkOK, What: what, Found: "the user may do what is needed, as `redeliver topics acls` prints it"}}
	}
	return lacking
}

func resourceText(n config.Privilege) string {
	switch n.Resource {
	case "group":
		return "the group " + n.Name
	case "transactional_id":
		if n.Pattern == "prefixed" {
			return "transactional ids that begin with " + n.Name
		}
		return "the transactional id " + n.Name
	}
	return n.Name
}

// allows reports whether the user has a privilege, as far as that is told.
func (p *permissions) allows(n config.Privilege) bool {
	operation, err := kmsg.ParseACLOperation(n.Operation)
	if err != nil {
		return true
	}
	switch n.Resource {
	case "topic":
		allowed, told := p.topics[n.Name]
		return !told || slices.Contains(allowed, operation) || operation == kmsg.ACLOperationCreate && slices.Contains(p.cluster, operation)
	case "group":
		allowed, told := p.groups[n.Name]
		return !told || slices.Contains(allowed, operation)
	}
	allowed, told := p.transactions[n.Name]
	return !told || allowed
}
