// Package classify says what kind of failure an error is.
//
// A failed record is retried, routed or dead-lettered by its [Class], one of
// seven:
//
//	class           retried  for example
//	transient       yes      server time-outs, 503
//	rate_limited    yes      429, an exhausted quota
//	network         yes      connection refused or reset, DNS, TLS
//	system          yes      resource exhaustion, a panic
//	permanent       no       gone, unsupported
//	validation      no       a missing field, a wrong format
//	authentication  no       bad credentials, forbidden
//
// [Classifier.Classify] decides in this order, and says in [Failure.Rule] what
// decided:
//
//  1. a mark set with [Mark], the outermost one;
//  2. the user's [Rules], first match wins, each over the whole error tree;
//  3. the built-in rules;
//  4. if nothing knows the error, it is transient.
//
// A rule may also ask what is known beside the error, its [Context]: whose job it
// is, the topic, the dependency, headers. [When] makes a rule of several
// conditions. Rules and classes have a [Treatment]: how severe their failures
// are, what becomes of the record, and whether somebody is notified.
// [Classifier.Explain] shows how a failure came to its class.
//
// # How an error tree is read
//
// Errors that wrap others form a tree: Unwrap() error leads to one cause,
// Unwrap() []error (errors.Join, fmt.Errorf with several %w) to several. The
// built-in rules take one cause at a time: each chain from the outside down to
// an innermost cause, in the order in which the causes were joined. The first
// chain that a rule knows decides. Within a chain the rules have an order, and
// what an error states outright (an HTTP status, a Kafka error code, a gRPC
// code, an SQLSTATE) comes before what is guessed from its type. So in
//
//	errors.Join(errInvoice, &json.SyntaxError{}, syscall.ECONNREFUSED)
//
// the unknown errInvoice says nothing and the syntax error decides.
//
// [Failure.Type] names the innermost cause of the chain that decided, never the
// wrapper: "syscall.Errno" rather than "*url.Error".
//
// # What an error can say about itself
//
// Without importing this package an error takes part by small methods:
//
//	HTTPStatus() int, StatusCode() int or HTTPStatusCode() int
//	SQLState() string                  five characters
//	GRPCStatus() with a Code() uint32  google.golang.org/grpc/status
//	ErrorType() string                 its type, where Go's own says nothing
//	RetryAfter() time.Duration         how long to wait; any class
//	Timeout() bool, Temporary() bool   as in package net
//
// Library errors that keep their status in a field (*googleapi.Error,
// *azcore.ResponseError) need a rule of their own, see [Func].
//
// The package starts no goroutines, keeps no state between calls and knows
// nothing of records, retries or breakers.
package classify
