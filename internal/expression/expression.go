package expression

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"

	"github.com/redeliver/redeliver/classify"
)

// Bounds of an expression.
const (
	maxLength = 4 << 10 // bytes
	maxNodes  = 250
	maxName   = 120    // bytes of it that name a rule
	maxMemory = 10_000 // elements of lists and ranges that one answer may make
)

// Expression is a compiled question. It is immutable and safe for concurrent use.
type Expression struct {
	text    string
	program *vm.Program
	asks    map[string]bool // the names it uses
	vms     sync.Pool
}

// Error says what is wrong with the text of an expression, and where.
type Error struct {
	Line, Column int    // from 1, the column in characters
	Problem      string // what is wrong, on one line
	Unknown      string // the name that means nothing, where that is what is wrong
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (line %d, column %d)", e.Problem, e.Line, e.Column)
}

// Compile reads an expression. Its error is an *[Error].
func Compile(text string) (*Expression, error) {
	if len(text) > maxLength {
		return nil, &Error{1, 1, fmt.Sprintf("it is longer than %d bytes", maxLength), ""}
	}
	look := &survey{names: map[string]bool{}} // before the optimiser puts other functions in the place of those that stand there
	options := []expr.Option{expr.Env(facts{}), expr.AsBool(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(), expr.Patch(look)}
	for _, name := range Functions() {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(text, options...)
	if err == nil && look.wrong != nil {
		err = look.wrong.Bind(program.Source())
	}
	if err != nil {
		return nil, asError(err)
	}
	e := &Expression{text: text, program: program, asks: look.names}
	e.vms.New = func() any { return &vm.VM{MemoryBudget: maxMemory} }
	return e, nil
}

// Names returns what an expression may ask for, sorted.
func Names() []string {
	return []string{"attempt", "class", "dependency", "error", "grpc", "header", "job_type", "project", "retry_after", "sqlstate", "status", "tenant", "topic", "type", "types", "user"}
}

// Functions returns the functions that an expression may call beside header, sorted. Operators such as contains, startsWith,
// endsWith, matches and in are none.
func Functions() []string { return []string{"len", "lower", "trim", "upper"} }

// asError takes an error of expr-lang apart, which draws the text under its message.
func asError(err error) *Error {
	var at *file.Error
	if !errors.As(err, &at) {
		return &Error{1, 1, oneLine(err.Error()), ""}
	}
	e := &Error{Line: max(at.Line, 1), Column: at.Column + 1, Problem: oneLine(at.Message)}
	if name, ok := strings.CutPrefix(e.Problem, "unknown name "); ok {
		e.Unknown = name
	}
	return e
}

func oneLine(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// survey notes the names that an expression uses, and what it may not.
type survey struct {
	names map[string]bool
	wrong *file.Error // the first
}

// Visit implements ast.Visitor.
func (s *survey) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		s.names[n.Value] = true
	case *ast.BuiltinNode:
		if !slices.Contains(Functions(), n.Name) && s.wrong == nil {
			s.wrong = &file.Error{Location: n.Location(), Message: n.Name + " is not part of this language: its functions are header, " + strings.Join(Functions(), ", ")}
		}
	case *ast.VariableDeclaratorNode:
		// Without variables a value is as large as the text that makes it.
		s.wrong = &file.Error{Location: n.Location(), Message: "let is not part of this language: write the value where it is used"}
	}
}

// String returns the text.
func (e *Expression) String() string { return e.text }

// Condition is the expression as a condition of a rule.
func (e *Expression) Condition() classify.Condition {
	name := strings.Join(strings.Fields(e.text), " ")
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return classify.Where("when "+name, e.Holds)
}

// Holds answers the expression for a failure.
func (e *Expression) Holds(f classify.Facts) (bool, error) {
	machine := e.vms.Get().(*vm.VM)
	defer e.vms.Put(machine)
	env := factsOf(f, e.asks)
	answer, err := machine.Run(e.program, env)
	if err != nil {
		return false, errors.New(asError(err).Error())
	}
	return answer == true, nil
}

// facts are the names of the language. Those that take work are filled in only where they are asked for.
type facts struct {
	Error      string              `expr:"error"`
	Type       string              `expr:"type"`
	Types      []string            `expr:"types"`
	Class      string              `expr:"class"`
	Status     int                 `expr:"status"`
	GRPC       string              `expr:"grpc"`
	SQLState   string              `expr:"sqlstate"`
	RetryAfter float64             `expr:"retry_after"`
	Attempt    int                 `expr:"attempt"`
	Topic      string              `expr:"topic"`
	Dependency string              `expr:"dependency"`
	JobType    string              `expr:"job_type"`
	User       string              `expr:"user"`
	Project    string              `expr:"project"`
	Tenant     string              `expr:"tenant"`
	Header     func(string) string `expr:"header"`
}

func factsOf(f classify.Facts, asks map[string]bool) *facts {
	in := f.Context()
	out := &facts{
		Attempt: in.Attempt, Topic: in.Topic, Dependency: in.Dependency,
		JobType: in.Type, User: in.User, Project: in.Project, Tenant: in.Tenant,
	}
	if asks["error"] {
		out.Error = f.Error().Error()
	}
	if asks["type"] {
		out.Type = f.Type()
	}
	if asks["types"] {
		out.Types = f.Types()
	}
	if asks["class"] {
		out.Class = f.Class().String()
	}
	if asks["status"] {
		out.Status = f.Status()
	}
	if asks["grpc"] {
		out.GRPC = f.GRPC()
	}
	if asks["sqlstate"] {
		out.SQLState = f.SQLState()
	}
	if asks["retry_after"] {
		out.RetryAfter = f.RetryAfter().Seconds()
	}
	if asks["header"] {
		out.Header = func(name string) string {
			if in.Header != nil {
				if value, ok := in.Header(name); ok {
					return string(value)
				}
			}
			return ""
		}
	}
	return out
}
