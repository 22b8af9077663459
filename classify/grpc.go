package classify

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// grpcCodes are gRPC's status codes
// (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), by number. OK is
// no failure. UNAVAILABLE may be a refused connection as well as a busy server,
// which the code does not tell apart.
var grpcCodes = [...]struct {
	name  string
	class Class
}{
	0:  {"OK", None},
	1:  {"CANCELLED", Transient},
	2:  {"UNKNOWN", Transient},
	3:  {"INVALID_ARGUMENT", Validation},
	4:  {"DEADLINE_EXCEEDED", Transient},
	5:  {"NOT_FOUND", Permanent},
	6:  {"ALREADY_EXISTS", Permanent},
	7:  {"PERMISSION_DENIED", Authentication},
	8:  {"RESOURCE_EXHAUSTED", RateLimited},
	9:  {"FAILED_PRECONDITION", Permanent},
	10: {"ABORTED", Transient},
	11: {"OUT_OF_RANGE", Validation},
	12: {"UNIMPLEMENTED", Permanent},
	13: {"INTERNAL", Transient},
	14: {"UNAVAILABLE", Transient},
	15: {"DATA_LOSS", Permanent},
	16: {"UNAUTHENTICATED", Authentication},
}

func byGRPCCode(err error) (Class, string, bool) {
	code, ok := grpcCode(err)
	if !ok || code == 0 {
		return None, "", false
	}
	if code >= uint64(len(grpcCodes)) {
		return Transient, fmt.Sprintf("gRPC code %d", code), true
	}
	return grpcCodes[code].class, "gRPC " + grpcName(code), true
}

// grpcTypes says of the types that were met whether they have a method GRPCStatus, which takes reflection.
var grpcTypes sync.Map // reflect.Type to bool

func hasGRPCStatus(t reflect.Type) bool {
	if has, met := grpcTypes.Load(t); met {
		return has.(bool)
	}
	_, has := t.MethodByName("GRPCStatus")
	grpcTypes.Store(t, has)
	return has
}

// grpcName is the name of a code; one that gRPC does not know is its number.
func grpcName(code uint64) string {
	if code >= uint64(len(grpcCodes)) {
		return strconv.FormatUint(code, 10)
	}
	return grpcCodes[code].name
}

// GRPCNames returns the names of gRPC's statuses that are failures, as
// "UNAVAILABLE", in the order of their numbers.
func GRPCNames() []string {
	var names []string
	for _, code := range grpcCodes[1:] {
		names = append(names, code.name)
	}
	return names
}

// CheckGRPC says whether name is that of a gRPC status that is a failure,
// exactly: upper case, with underscores. Its error names them all.
func CheckGRPC(name string) error {
	if slices.Contains(GRPCNames(), name) {
		return nil
	}
	if upper := strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(name)); slices.Contains(GRPCNames(), upper) {
		return fmt.Errorf("unknown gRPC status %q: did you mean %s?", name, upper)
	}
	return fmt.Errorf("unknown gRPC status %q: the statuses are %s", name, strings.Join(GRPCNames(), ", "))
}

// grpcCode calls err.GRPCStatus().Code() without knowing the types of
// google.golang.org/grpc: the first has no arguments and one result, the second
// has a number.
func grpcCode(err error) (uint64, bool) {
	if !hasGRPCStatus(reflect.TypeOf(err)) {
		return 0, false
	}
	method := reflect.ValueOf(err).MethodByName("GRPCStatus")
	if !method.IsValid() || method.Type().NumIn() != 0 || method.Type().NumOut() != 1 {
		return 0, false
	}
	status := method.Call(nil)[0]
	if status.Kind() == reflect.Interface || status.Kind() == reflect.Pointer {
		if status.IsNil() {
			return 0, false
		}
	}
	code := status.MethodByName("Code")
	if !code.IsValid() || code.Type().NumIn() != 0 || code.Type().NumOut() != 1 || code.Type().Out(0).Kind() != reflect.Uint32 {
		return 0, false
	}
	return code.Call(nil)[0].Uint(), true
}
