package classify

// Job is what a producer says of the work that a record asks for. Empty fields
// are not known.
type Job struct {
	Type    string
	User    string
	Project string
	Tenant  string
}
