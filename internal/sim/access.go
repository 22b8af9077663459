package sim

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// Who speaks to the cluster: the members are the service, the simulation's own clients the operator. The passwords are the
// names.
const (
	service  = "service"
	operator = "operator"
)

func loginAs(user string) kgo.Opt {
	return kgo.SASL(plain.Auth{User: user, Pass: user}.AsMechanism())
}

// permissions are what the service may do: everything, as long as nothing is denied.
func permissions() (acls []kfake.ACL) {
	for resource, name := range map[kmsg.ACLResourceType]string{
		kmsg.ACLResourceTypeTopic: "*", kmsg.ACLResourceTypeGroup: "*", kmsg.ACLResourceTypeTransactionalId: "*", kmsg.ACLResourceTypeCluster: "kafka-cluster",
	} {
		acls = append(acls, kfake.ACL{Resource: resource, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: kmsg.ACLOperationAll, Allow: true})
	}
	return acls
}

// Denied is what can be taken from the service.
type Denied uint8

// What can be denied.
const (
	ReadTopics Denied = iota
	WriteTopics
	ReadGroup
	WriteDeadLetters
	ReadRetries
)

// String names it.
func (d Denied) String() string {
	return [...]string{"to read topics", "to write topics", "the group", "to write dead letters", "to read a retry topic"}[d]
}

// Deny takes a permission from the members for a time.
func (w *World) Deny(what Denied, lasts time.Duration) {
	w.disturb(0, lasts+learning)
	deny := kadm.NewACLs().Deny("User:" + service).DenyHosts().ResourcePatternType(kadm.ACLPatternLiteral)
	source := w.h.Terms.Sources[0]
	switch what {
	case ReadTopics:
		deny.Topics("*").Operations(kadm.OpRead)
		w.unsaved(lasts) // who commits must be allowed to read
	case WriteTopics:
		deny.Topics("*").Operations(kadm.OpWrite)
		w.refused(lasts)
	case ReadGroup:
		deny.Groups(w.h.Terms.Group).Operations(kadm.OpRead)
		w.upsetAll(Evicted, lasts+learning) // the group goes on without them
		w.trouble(lasts)
	case WriteDeadLetters:
		deny.Topics(w.h.Terms.DLQTopic(source)).Operations(kadm.OpWrite)
		w.refused(lasts)
	case ReadRetries:
		deny.Topics(w.h.Terms.RetryTopic(source, w.tiers()[0])).Operations(kadm.OpRead)
		w.unsaved(lasts)
	}
	w.noteFault("denied " + what.String())
	w.insist("deny "+what.String(), func() error {
		results, err := w.Admin.CreateACLs(w.ctx, deny)
		for _, r := range results {
			err = errors.Join(err, r.Err)
		}
		return err
	})
	w.Later(lasts, func() {
		w.insist("allow again "+what.String(), func() error {
			_, err := w.Admin.DeleteACLs(w.ctx, deny)
			return err
		})
	})
}
