package classify

import (
	"net/http"
	"strconv"
)

// OfStatus returns the class of an HTTP response with that status, [None] for
// what is no failure (below 300) or no status at all (600 and above).
//
//	408, 425, other 5xx                      transient
//	429                                      rate_limited
//	401, 403                                 authentication
//	400, 405, 409, 411, 413, 414, 415, 422   validation
//	404, 410, 501, other 4xx, 3xx            permanent
func OfStatus(code int) Class {
	switch code {
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return Transient
	case http.StatusTooManyRequests:
		return RateLimited
	case http.StatusUnauthorized, http.StatusForbidden:
		return Authentication
	case http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusConflict,
		http.StatusLengthRequired, http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return Validation
	case http.StatusNotImplemented:
		return Permanent
	}
	switch {
	case code >= 300 && code < 500:
		return Permanent
	case code >= 500 && code < 600:
		return Transient
	}
	return None
}

func byStatus(err error) (Class, string, bool) {
	code := statusOf(err)
	class := OfStatus(code)
	if class == None {
		// An error beside a 200 is about something else: its cause says what.
		return None, "", false
	}
	return class, "HTTP status " + strconv.Itoa(code), true
}

type (
	httpStatuser    interface{ HTTPStatus() int }
	statusCoder     interface{ StatusCode() int }
	httpStatusCoder interface{ HTTPStatusCode() int }
)

// statusOf returns the HTTP status that this one error carries, 0 if none.
func statusOf(err error) int {
	code := 0
	switch x := err.(type) {
	case httpStatuser:
		code = x.HTTPStatus()
	case statusCoder:
		code = x.StatusCode()
	case httpStatusCoder:
		code = x.HTTPStatusCode()
	}
	if !isStatus(code) {
		return 0
	}
	return code
}

func isStatus(code int) bool {
	return code >= 100 && code <= 599
}
