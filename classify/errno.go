package classify

import "syscall"

// errnos gives a class to the system's error numbers. What is not here may be
// known by what it means: EACCES is fs.ErrPermission, ENOENT fs.ErrNotExist,
// ENOSYS errors.ErrUnsupported.
var errnos = map[syscall.Errno]struct {
	name  string
	class Class
}{
	syscall.ECONNABORTED: {"ECONNABORTED", Network},
	syscall.ECONNREFUSED: {"ECONNREFUSED", Network},
	syscall.ECONNRESET:   {"ECONNRESET", Network},
	syscall.EHOSTDOWN:    {"EHOSTDOWN", Network},
	syscall.EHOSTUNREACH: {"EHOSTUNREACH", Network},
	syscall.ENETDOWN:     {"ENETDOWN", Network},
	syscall.ENETRESET:    {"ENETRESET", Network},
	syscall.ENETUNREACH:  {"ENETUNREACH", Network},
	syscall.ENOTCONN:     {"ENOTCONN", Network},
	syscall.EPIPE:        {"EPIPE", Network},
	syscall.ESHUTDOWN:    {"ESHUTDOWN", Network},
	syscall.ETIMEDOUT:    {"ETIMEDOUT", Network},

	// Local ports are a resource too: EADDRNOTAVAIL is how a dial says that
	// there is none left.
	syscall.EADDRINUSE:    {"EADDRINUSE", System},
	syscall.EADDRNOTAVAIL: {"EADDRNOTAVAIL", System},
	syscall.EAGAIN:        {"EAGAIN", System},
	syscall.EBUSY:         {"EBUSY", System},
	syscall.EDQUOT:        {"EDQUOT", System},
	syscall.EINTR:         {"EINTR", System},
	syscall.EIO:           {"EIO", System},
	syscall.EMFILE:        {"EMFILE", System},
	syscall.ENFILE:        {"ENFILE", System},
	syscall.ENOBUFS:       {"ENOBUFS", System},
	syscall.ENOLCK:        {"ENOLCK", System},
	syscall.ENOMEM:        {"ENOMEM", System},
	syscall.ENOSPC:        {"ENOSPC", System},
	syscall.EROFS:         {"EROFS", System},
	syscall.ESTALE:        {"ESTALE", System},

	syscall.EMSGSIZE: {"EMSGSIZE", Validation},
}

func byErrno(err error) (Class, string, bool) {
	errno, ok := err.(syscall.Errno)
	if !ok {
		return None, "", false
	}
	known, ok := errnos[errno]
	return known.class, known.name, ok
}
