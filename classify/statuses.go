package classify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Statuses is a set of HTTP statuses, 100 to 599. Its zero value is the empty
// set. Sets can be compared with ==.
type Statuses struct {
	bits [8]uint64 // by status minus 100
}

// StatusesOf returns the set of the codes. It panics when one of them is not
// from 100 to 599; use [ParseStatuses] for what comes from outside.
func StatusesOf(codes ...int) Statuses {
	var s Statuses
	for _, code := range codes {
		if !isStatus(code) {
			panic(fmt.Sprintf("classify.StatusesOf: %d is no HTTP status: give one from 100 to 599", code))
		}
		s.add(code)
	}
	return s
}

// ParseStatuses returns the set that the texts name together: a status, such as
// "409", or all of a hundred, such as "5xx".
func ParseStatuses(texts ...string) (Statuses, error) {
	var s Statuses
	if len(texts) == 0 {
		return s, errors.New("no status is named: give one like 409, or 5xx for all of them")
	}
	for _, text := range texts {
		if hundred, ok := strings.CutSuffix(strings.ToLower(text), "xx"); ok && len(hundred) == 1 && hundred[0] >= '1' && hundred[0] <= '5' {
			for code := range 100 {
				s.add(int(hundred[0]-'0')*100 + code)
			}
			continue
		}
		code, err := strconv.Atoi(text)
		if err != nil || !isStatus(code) {
			return Statuses{}, fmt.Errorf("%q is no HTTP status: give one from 100 to 599, or all of a hundred, like 5xx", text)
		}
		s.add(code)
	}
	return s, nil
}

func (s *Statuses) add(code int) { s.bits[(code-100)/64] |= 1 << ((code - 100) % 64) }

// Has reports whether the status is in the set. It may be any number.
func (s Statuses) Has(code int) bool {
	return isStatus(code) && s.bits[(code-100)/64]&(1<<((code-100)%64)) != 0
}

// Empty reports whether no status is in the set.
func (s Statuses) Empty() bool { return s == Statuses{} }

// Equal reports whether both sets are the same.
func (s Statuses) Equal(other Statuses) bool { return s == other }

// Covers reports whether every status of the other set is in this one.
func (s Statuses) Covers(other Statuses) bool {
	for i := range s.bits {
		if other.bits[i]&^s.bits[i] != 0 {
			return false
		}
	}
	return true
}

// Without returns the statuses that are in this set and not in the other.
func (s Statuses) Without(other Statuses) Statuses {
	for i := range s.bits {
		s.bits[i] &^= other.bits[i]
	}
	return s
}

// First returns the lowest status, 0 where there is none.
func (s Statuses) First() int {
	for code := 100; code < 600; code++ {
		if s.Has(code) {
			return code
		}
	}
	return 0
}

// Names returns the set as [ParseStatuses] reads it, ascending, whole hundreds
// as "5xx".
func (s Statuses) Names() []string {
	var names []string
	for hundred := 100; hundred < 600; hundred += 100 {
		var some []string
		for code := hundred; code < hundred+100; code++ {
			if s.Has(code) {
				some = append(some, strconv.Itoa(code))
			}
		}
		if len(some) == 100 {
			some = []string{strconv.Itoa(hundred/100) + "xx"}
		}
		names = append(names, some...)
	}
	return names
}

// String joins the names with slashes: "409", "5xx", "409/5xx".
func (s Statuses) String() string { return strings.Join(s.Names(), "/") }
