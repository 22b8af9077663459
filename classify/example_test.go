package classify_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"syscall"
	"time"

	"github.com/redeliver/redeliver/classify"
)

func Example() {
	// What an HTTP client returns when nobody listens.
	err := fmt.Errorf("charge order 7: %w", &net.OpError{
		Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
	})

	var builtIn *classify.Classifier
	f := builtIn.Classify(err)
	fmt.Println(f.Class, f.Class.Retriable())
	fmt.Println(f.Rule)
	fmt.Println(f.Text(1024))
	// Output:
	// network true
	// built-in: ECONNREFUSED
	// syscall.Errno: charge order 7: dial tcp: connect: connection refused
}

var errSoldOut = errors.New("sold out")

// CardError is how some payment library tells what went wrong.
type CardError struct{ Code string }

func (e *CardError) Error() string { return "card: " + e.Code }

// Rules of your own come before the built-in ones; the first match wins.
func ExampleNew() {
	c := classify.New(classify.Rules{
		classify.Is(errSoldOut, classify.Permanent),
		classify.Status(409, classify.Transient),
		classify.Match(`(?i)quota`, classify.RateLimited),
		classify.As[*CardError](classify.Validation),
	})
	for _, err := range []error{
		fmt.Errorf("order 7: %w", errSoldOut),
		errors.New("Quota exceeded for project 12"),
		&CardError{Code: "expired"},
		errors.New("something else"),
	} {
		f := c.Classify(err)
		fmt.Printf("%v: %s\n", f.Class, f.Rule)
	}
	// Output:
	// permanent: user rule 1: is "sold out"
	// rate_limited: user rule 3: match "(?i)quota"
	// validation: user rule 4: as *classify_test.CardError
	// transient: default
}

// A rule of several conditions, some of them about the record.
func ExampleWhen() {
	c := classify.New(classify.Rules{
		classify.When(classify.Permanent,
			classify.StatusIn(classify.StatusesOf(409)),
			classify.Text(regexp.MustCompile("closed account")),
			classify.Tenant("acme"),
		).Treated(classify.Treatment{Severity: classify.High, Handling: classify.Hold}),
	})
	in := classify.Context{Job: classify.Job{Tenant: "acme"}}
	f := c.ClassifyIn(&in, answered{409, "closed account"})
	fmt.Println(f.Class, f.Severity, f.Handling)
	for _, rule := range c.Explain(&in, answered{409, "stale"}).Rules {
		for _, finding := range rule.Findings {
			fmt.Println(finding.Condition, finding.Holds)
		}
	}
	// Output:
	// permanent high hold
	// status 409 true
	// match "closed account" false
	// tenant acme true
}

// answered is the error of an HTTP answer.
type answered struct {
	status int
	text   string
}

func (a answered) Error() string   { return a.text }
func (a answered) HTTPStatus() int { return a.status }

// Func looks into errors that keep what matters in a field.
func ExampleFunc() {
	c := classify.New(classify.Rules{
		classify.Func("card", func(err error) (classify.Class, bool) {
			var card *CardError
			if !errors.As(err, &card) {
				return classify.None, false
			}
			if card.Code == "try_again" {
				return classify.Transient, true
			}
			return classify.Validation, true
		}),
	})
	fmt.Println(c.Classify(&CardError{Code: "try_again"}).Class)
	fmt.Println(c.Classify(&CardError{Code: "stolen"}).Class)
	// Output:
	// transient
	// validation
}

// Busy tells its class and the wait without importing anything.
type Busy struct{ Wait time.Duration }

func (b Busy) Error() string             { return "busy" }
func (b Busy) HTTPStatus() int           { return 429 }
func (b Busy) RetryAfter() time.Duration { return b.Wait }

func ExampleClassifier_Classify() {
	f := classify.New(nil).Classify(Busy{Wait: 30 * time.Second})
	fmt.Println(f.Class, f.Status, f.RetryAfter)
	// Output: rate_limited 429 30s
}

// What recovers a panic says that it was one.
func ExampleMark() {
	err := func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = classify.Mark(fmt.Errorf("panic: %v", p), classify.System)
			}
		}()
		panic("out of cheese")
	}()
	f := classify.New(nil).Classify(err)
	fmt.Println(f.Class, f.Rule, f.Message)
	// Output: system marked system panic: out of cheese
}
