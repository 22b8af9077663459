package classify

import (
	"fmt"
	"strings"
)

// A Severity says how much a failure is worth somebody's attention. It decides
// nothing about the record: it is for headers, metrics, logs and notices.
type Severity uint8

// The four severities, and SeverityNone for what is no failure or not said.
const (
	SeverityNone Severity = iota
	Low                   // passes by itself
	Medium                // worth a look when there are many
	High                  // somebody should look
	Critical              // somebody must look now
)

var severityNames = [...]string{SeverityNone: "none", Low: "low", Medium: "medium", High: "high", Critical: "critical"}

// Severities returns the four severities, ascending.
func Severities() []Severity { return []Severity{Low, Medium, High, Critical} }

// ParseSeverity returns the severity of that name: low, medium, high or
// critical, exactly.
func ParseSeverity(name string) (Severity, error) {
	for _, s := range Severities() {
		if severityNames[s] == name {
			return s, nil
		}
	}
	return SeverityNone, fmt.Errorf("unknown severity %q: the severities are %s", name, strings.Join(severityNames[Low:], ", "))
}

// String returns the severity's name; "none" for SeverityNone.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// Severity returns how severe failures of the class are unless a [Treatment]
// says otherwise.
//
//	transient, rate_limited       low       they pass by themselves
//	network, validation           medium    one record, or a service, is not well
//	system, permanent             high      this process, or what is called, needs somebody
//	authentication                critical  every record fails until somebody acts
func (c Class) Severity() Severity {
	switch c {
	case Transient, RateLimited:
		return Low
	case Network, Validation:
		return Medium
	case System, Permanent:
		return High
	case Authentication:
		return Critical
	}
	return SeverityNone
}
