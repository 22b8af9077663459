package classify

import (
	"fmt"
	"os"
)

// Errors that state something, and where they come from.

type (
	httpStatus     int
	statusCode     int
	httpStatusCode int
	sqlError       string
	rpcError       uint32
	rpcNil         struct{}
	rpcOdd         struct{}
	rpcCodeless    struct{}
	netError       struct{}
	timeout        struct{}
	temporary      struct{}
	deadlineOnly   struct{}
	grpcStatus     struct{ code rpcCode }
	rpcCode        uint32
)

type statusAnd struct {
	code  int
	cause error
}

func (e httpStatus) Error() string           { return fmt.Sprint("status ", int(e)) }
func (e httpStatus) HTTPStatus() int         { return int(e) }
func (e statusCode) Error() string           { return fmt.Sprint("status ", int(e)) }
func (e statusCode) StatusCode() int         { return int(e) }
func (e httpStatusCode) Error() string       { return fmt.Sprint("status ", int(e)) }
func (e httpStatusCode) HTTPStatusCode() int { return int(e) }
func (e statusAnd) Error() string            { return fmt.Sprint("status ", e.code, ": ", e.cause) }
func (e statusAnd) HTTPStatus() int          { return e.code }
func (e statusAnd) Unwrap() error            { return e.cause }

func (e sqlError) Error() string    { return "sql: " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

func (e rpcError) Error() string           { return fmt.Sprint("rpc: ", uint32(e)) }
func (e rpcError) GRPCStatus() *grpcStatus { return &grpcStatus{rpcCode(e)} }
func (s *grpcStatus) Code() rpcCode        { return s.code }

func (rpcNil) Error() string                 { return "rpc" }
func (rpcNil) GRPCStatus() *grpcStatus       { return nil }
func (rpcOdd) Error() string                 { return "rpc" }
func (rpcOdd) GRPCStatus(string) *grpcStatus { return &grpcStatus{3} }
func (rpcCodeless) Error() string            { return "rpc" }
func (rpcCodeless) GRPCStatus() string       { return "no code here" }

func (netError) Error() string       { return "net" }
func (netError) Timeout() bool       { return false }
func (netError) Temporary() bool     { return false }
func (timeout) Error() string        { return "slow" }
func (timeout) Timeout() bool        { return true }
func (temporary) Error() string      { return "soon" }
func (temporary) Temporary() bool    { return true }
func (deadlineOnly) Error() string   { return "file: late" }
func (deadlineOnly) Is(e error) bool { return e == os.ErrDeadlineExceeded }
