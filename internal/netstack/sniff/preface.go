package sniff

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/bangervm/banger/internal/egress"
)

// preface says whether the bytes begin as one of the protocols does whose clients
// speak first, that name no host, and that no server of HTTP or TLS takes for its
// own. Each is matched to the letter: "SSH-2.0-x / HTTP/1.1" is a request. more:
// they could begin so.
func preface(b []byte) (said egress.Said, is, more bool) {
	for _, known := range []func([]byte) (is, more bool){postgres, redis, amqp, mqtt, mongo, rsync} {
		matched, maybe := known(b)
		if matched {
			return egress.Said{Speech: egress.Foreign}, true, false
		}
		more = more || maybe
	}
	matched, maybe := ssh(b)
	if matched {
		return egress.Said{Speech: egress.SSH}, true, false
	}
	return egress.Said{Speech: egress.Unknown}, false, more || maybe
}

// begins says whether b begins with the text, or could.
func begins(b []byte, text string) (is, more bool) {
	n := min(len(b), len(text))
	same := string(b[:n]) == text[:n]
	return same && n == len(text), same && n < len(text)
}

// ssh is the version line of RFC 4253, 4.2. Its comments are free text there; here
// they are what could not be a request's target and version.
func ssh(b []byte) (is, more bool) {
	const longest = 255
	for _, version := range []string{"SSH-2.0-", "SSH-1.99-"} {
		if is, more = begins(b, version); is || more {
			break
		}
	}
	if !is {
		return false, more
	}
	end := bytes.IndexByte(b, '\n')
	if is = end >= 0; !is {
		end = len(b)
		more = end < longest
	}
	for _, c := range bytes.TrimSuffix(b[:end], []byte("\r")) {
		if c < ' ' || c > '~' || c == '/' || c == ':' {
			return false, false
		}
	}
	return is && end <= longest, more
}

// postgres is a startup message of version 3, or a request for encryption or
// cancellation.
func postgres(b []byte) (is, more bool) {
	const head, longest, version, requests = 8, 10_000, "\x00\x03", "\x04\xd2\x16"
	if _, maybe := begins(b, "\x00\x00"); maybe {
		return false, true
	}
	if b[0] != 0 || b[1] != 0 {
		return false, false
	}
	if len(b) < head {
		code := b[min(len(b), 4):]
		is, more := begins(code, version)
		is2, more2 := begins(code, requests)
		return false, is || more || is2 || more2
	}
	length := binary.BigEndian.Uint32(b)
	switch code := string(b[4:head]); {
	case strings.HasPrefix(code, version):
		return length > head && length <= longest, false
	default:
		return strings.HasPrefix(code, requests) && (length == head || length == 2*head), false
	}
}

// redis is the array of strings that each of its commands is: "*1\r\n$4\r\n…".
func redis(b []byte) (is, more bool) {
	rest, ok := bytes.CutPrefix(b, []byte("*"))
	if !ok {
		return false, false
	}
	digits := bytes.TrimLeft(rest, "0123456789")
	if len(digits) == 0 || len(digits) == len(rest) {
		return false, len(digits) == 0 && len(rest) < 8
	}
	return begins(digits, "\r\n$")
}

// amqp is the header of AMQP: its name and one of its versions.
func amqp(b []byte) (is, more bool) {
	for _, version := range []string{"\x00\x00\x09\x01", "\x00\x01\x00\x00", "\x02\x01\x00\x00", "\x03\x01\x00\x00"} {
		matched, maybe := begins(b, "AMQP"+version)
		is, more = is || matched, more || maybe
	}
	return is, more && !is
}

// mqtt is a CONNECT packet.
func mqtt(b []byte) (is, more bool) {
	const connect, longest = 0x10, 4
	if b[0] != connect {
		return false, false
	}
	for i, c := range b[1:min(len(b), 1+longest)] {
		if c&0x80 != 0 {
			continue
		}
		for _, name := range []string{"\x00\x04MQTT", "\x00\x06MQIsdp"} {
			if is, more = begins(b[2+i:], name); is || more {
				return is, more
			}
		}
		return false, false
	}
	return false, len(b) < 1+longest
}

// mongo is the head of OP_MSG or OP_QUERY, little-endian: length, id, 0, opcode.
func mongo(b []byte) (is, more bool) {
	const head, longest, opQuery, opMsg = 16, 1 << 16, 2004, 2013
	if len(b) < 4 {
		return false, len(b) < 3 || b[2] == 0
	}
	if length := binary.LittleEndian.Uint32(b); length < head || length > longest {
		return false, false
	}
	if len(b) < head {
		return false, true
	}
	opcode := binary.LittleEndian.Uint32(b[12:])
	return binary.LittleEndian.Uint32(b[8:]) == 0 && (opcode == opQuery || opcode == opMsg), false
}

// rsync is the greeting of rsync's daemon protocol: "@RSYNCD: 31.0 sha512 …".
func rsync(b []byte) (is, more bool) {
	const longest = 255
	if is, more = begins(b, "@RSYNCD: "); !is {
		return false, more
	}
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		return false, len(b) < longest
	}
	return strings.Trim(string(b[len("@RSYNCD: "):end]), "abcdefghijklmnopqrstuvwxyz0123456789. ") == "", false
}
