package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

// readMessage reads a well-formed HTTP/1.1 message: its first line and its body.
func readMessage(r *bufio.Reader) (first string, body []byte, err error) {
	length, chunked := 0, false
	for n := 0; ; n++ {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return "", nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case n == 0:
			first = string(line)
		case len(line) == 0 && chunked:
			body, err = readChunks(r)
			return first, body, err
		case len(line) == 0:
			body = make([]byte, length)
			_, err = io.ReadFull(r, body)
			return first, body, err
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return "", nil, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = true
		}
	}
}

func readChunks(r *bufio.Reader) (body []byte, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(string(bytes.TrimRight([]byte(line), "\r\n")), 16, 31)
		if err != nil {
			return nil, err
		}
		at := len(body)
		body = append(body, make([]byte, n+2)...) // and the line end behind the chunk
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return nil, err
		}
		if body = body[:at+int(n)]; n == 0 {
			return body, nil
		}
	}
}

// client is one keep-alive connection on which the same request is made again and again.
type client struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	want    string // the body; "" takes any
}

func dial(addr string, request []byte, want string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn, bufio.NewReader(conn), request, want}, nil
}

// ask makes the request once and gives the body of an answer that is 200.
func (c *client) ask() ([]byte, error) {
	if _, err := c.conn.Write(c.request); err != nil {
		return nil, err
	}
	first, body, err := readMessage(c.r)
	if err == nil && first != "HTTP/1.1 200 OK" {
		err = fmt.Errorf("answer %q %q", first, body)
	}
	return body, err
}

func (c *client) do() error {
	body, err := c.ask()
	if err == nil && c.want != "" && string(body) != c.want {
		err = fmt.Errorf("answer %q", body)
	}
	return err
}
