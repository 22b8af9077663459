package classify

import (
	"reflect"
	"sync"
)

// rules are some of the built-in rules, by their place.
type rules uint16

func (r rules) has(n int) bool { return r>>n&1 != 0 }

// known are the rules that know errors of a type, of the types that were met: to ask each rule of each error is most of what the built-in rules would take. There are
// as many as a program has types of errors.
var known sync.Map // reflect.Type to rules

// rulesFor returns the built-in rules that know errors of err's type.
func rulesFor(err error) rules {
	t := reflect.TypeOf(err)
	if those, met := known.Load(t); met {
		return those.(rules)
	}
	var those rules
	for n, r := range builtInRules {
		if r.may(t) {
			those |= 1 << n
		}
	}
	known.Store(t, those)
	return those
}

func implements[T any](t reflect.Type) bool { return t.Implements(reflect.TypeFor[T]()) }

func isA[T any](t reflect.Type) bool { return t == reflect.TypeFor[T]() }

func isOneOf(types map[reflect.Type]Class) func(reflect.Type) bool {
	return func(t reflect.Type) bool { return types[t] != None }
}

// ofTypesOf says of a type whether one of the errors has it.
func ofTypesOf(errs ...error) func(reflect.Type) bool {
	return func(t reflect.Type) bool {
		for _, err := range errs {
			if reflect.TypeOf(err) == t {
				return true
			}
		}
		return false
	}
}

func either(any ...func(reflect.Type) bool) func(reflect.Type) bool {
	return func(t reflect.Type) bool {
		for _, may := range any {
			if may(t) {
				return true
			}
		}
		return false
	}
}
