package classify

import (
	"fmt"
	"regexp"
)

// sqlStates gives a class to single SQLSTATEs, where they differ from their
// group. The codes with letters behind the group are PostgreSQL's
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
var sqlStates = map[string]Class{
	"42501": Authentication, // insufficient privilege
	"57P04": Permanent,      // database dropped
}

// sqlGroups gives a class to the groups of SQLSTATEs, which their first two
// characters name. Groups of successes and of a user's own RAISE are not here:
// other rules may know more.
var sqlGroups = map[string]struct {
	class Class
	name  string
}{
	"03": {Transient, "statement not yet complete"},
	"08": {Network, "connection exception"},
	"0A": {Permanent, "feature not supported"},
	"21": {Validation, "cardinality violation"},
	"22": {Validation, "data exception"},
	"23": {Validation, "integrity constraint violation"},
	// 25006, a write sent to a read-only server, is what a fail-over looks like.
	"25": {Transient, "invalid transaction state"},
	// A prepared statement that a connection pooler lost.
	"26": {Transient, "invalid statement name"},
	"28": {Authentication, "invalid authorization"},
	"3D": {Permanent, "invalid catalog name"},
	"3F": {Permanent, "invalid schema name"},
	"40": {Transient, "transaction rollback"},
	"42": {Permanent, "syntax error or access rule violation"},
	"44": {Validation, "check option violation"},
	"53": {System, "insufficient resources"},
	"54": {Permanent, "program limit exceeded"},
	"55": {Transient, "object not in prerequisite state"},
	"57": {Transient, "operator intervention"},
	"58": {System, "system error"},
	"XX": {System, "internal error"},
}

func bySQLState(err error) (Class, string, bool) {
	state := sqlStateOf(err)
	if state == "" {
		return None, "", false
	}
	group, ok := sqlGroups[state[:2]]
	if !ok {
		return None, "", false
	}
	class := group.class
	if single, ok := sqlStates[state]; ok {
		class = single
	}
	return class, "SQLSTATE " + state + " (" + group.name + ")", true
}

type sqlStater interface{ SQLState() string }

// sqlStateOf returns the SQLSTATE that this one error carries, "" if none.
func sqlStateOf(err error) string {
	if x, ok := err.(sqlStater); ok {
		if state := x.SQLState(); len(state) == 5 {
			return state
		}
	}
	return ""
}

var sqlStateSyntax = regexp.MustCompile(`^[0-9A-Z]{2}([0-9A-Z]{3})?$`)

// CheckSQLState says whether a text is an SQLSTATE, such as "40001", or the two
// characters that name a group of them, such as "40".
func CheckSQLState(text string) error {
	if !sqlStateSyntax.MatchString(text) {
		return fmt.Errorf("%q is no SQLSTATE: give five digits and capital letters, like 40001, or the first two for a whole group, like 40", text)
	}
	return nil
}
