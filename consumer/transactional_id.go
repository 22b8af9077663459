package consumer

import (
	"crypto/rand"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TransactionalID is the transactional id of a member of a group with an instance id, which has to be allowed to use it: redeliver-GROUP-INSTANCE, where each
// hyphen of the instance id is %2D, and each % is %25. So what stands behind the last hyphen is the instance, and members of two groups never have one id: they
// would fence each other. Without an instance id members use ids that begin with redeliver-GROUP- and end in a random name.
func TransactionalID(group, instance string) string {
	return "redeliver-" + group + "-" + escapedInstance.Replace(instance)
}

var escapedInstance = strings.NewReplacer("%", "%25", "-", "%2D")

// transactionalIDs returns the id that a member uses, and the one that it had before hyphens were escaped, "" for none: its user may have leave for that one alone.
func transactionalIDs(group, instance string) (id, before string) {
	if instance == "" {
		return TransactionalID(group, rand.Text()), ""
	}
	id = TransactionalID(group, instance)
	if before = "redeliver-" + group + "-" + instance; before == id {
		before = ""
	}
	return id, before
}

// otherID takes the member's other id, where it has one, when its user may not use the one that it has.
func (t *transactor) otherID(err error) {
	if t.other == "" || !errors.Is(err, kerr.TransactionalIDAuthorizationFailed) {
		return
	}
	t.reset()
	t.id, t.other = t.other, t.id
	if id := TransactionalID(t.p.cfg.Group, t.p.cfg.InstanceID); t.id != id {
		t.p.log.Warn("the transactional id of this member is denied: it uses its former one, which a member of another group may have too", "pipeline", t.p.cfg.Name,
			"denied", id, "id", t.id, "remedy", "allow WRITE on the one that is denied: `redeliver topics acls` prints how")
	}
}
