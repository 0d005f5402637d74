// A Blob service for benchmarks, as a process of its own: it lists and serves blobs of made-up content, and does next
// to nothing else, so that what is measured is the client. It can answer late, send slowly, break connections and fall
// silent. It checks no signatures.
//
// It takes its settings as JSON in its only argument, prints the port that it listens on, and for each line `count` or
// `reset` on its standard input prints what it has served; it ends with its input.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

type settings struct {
	TLS *struct {
		Cert string `json:"cert"`
		Key  string `json:"key"`
	} `json:"tls"`
	// File whose bytes all blobs are made of, over and over.
	Content   string `json:"content"`
	Container string `json:"container"`
	Version   string `json:"version"`
	ETag      string `json:"etag"`
	// Milliseconds that each request waits for its answer.
	Delay int64 `json:"delay"`
	// Bytes per second of one connection; 0 for as many as go.
	Rate int64 `json:"rate"`
	// Blobs in the version, and bytes of each.
	Count int   `json:"count"`
	Size  int64 `json:"size"`
	// Breaks a connection each time that so many bytes were sent in all; 0 for never.
	ResetEvery int64 `json:"resetEvery"`
	// Of so many connections, one falls silent in the middle of its first answer; 0 for none.
	StallEvery int64 `json:"stallEvery"`
	// Whether the workspace gives links to its storage.
	Links bool `json:"links"`
}

type served struct {
	Bytes       int64 `json:"bytes"`
	Reads       int64 `json:"reads"`
	Connections int64 `json:"connections"`
}

const (
	// Bytes of one write; bigger ones leave the processor's cache between encryption and sending.
	slice = 256 * 1024
	// Time between two slices of a connection with a limited rate.
	tick         = 5 * time.Millisecond
	lastModified = "Mon, 23 Nov 2026 06:00:00 GMT"
)

var (
	config                    settings
	content                   []byte
	bytes, reads, connections atomic.Int64
)

type connectionKey struct{}

type connection struct {
	net.Conn
	stalls bool
}

func main() {
	log.SetOutput(io.Discard)
	must(json.Unmarshal([]byte(os.Args[1]), &config))
	content = read(config.Content)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := &http.Server{
		Handler: http.HandlerFunc(answer),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			number := connections.Add(1)
			stalls := config.StallEvery > 0 && number%config.StallEvery == 0
			return context.WithValue(ctx, connectionKey{}, &connection{conn, stalls})
		},
		// Only HTTP/1.1, as the service speaks it.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
	}
	go func() {
		if config.TLS != nil {
			must(server.ServeTLS(listener, config.TLS.Cert, config.TLS.Key))
		} else {
			must(server.Serve(listener))
		}
	}()
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	obey(bufio.NewScanner(os.Stdin))
}

func obey(commands *bufio.Scanner) {
	for commands.Scan() {
		if commands.Text() == "reset" {
			must(json.NewEncoder(os.Stdout).Encode(served{bytes.Swap(0), reads.Swap(0), connections.Swap(0)}))
		} else {
			must(json.NewEncoder(os.Stdout).Encode(served{bytes.Load(), reads.Load(), connections.Load()}))
		}
	}
}

func answer(response http.ResponseWriter, request *http.Request) {
	time.Sleep(time.Duration(config.Delay) * time.Millisecond)
	if answerAsCatalog(response, request) {
		return
	}
	response.Header().Set("x-ms-request-id", "bench")
	if request.URL.Query().Get("comp") == "list" {
		list(response, request)
		return
	}
	// A name that is no blob's is a folder's, to clients that ask.
	if !strings.HasSuffix(request.URL.Path, ".bin") {
		response.Header().Set("x-ms-error-code", "BlobNotFound")
		response.WriteHeader(http.StatusNotFound)
		return
	}
	start, end, isRange := rangeOf(request)
	header := response.Header()
	header.Set("Content-Length", strconv.FormatInt(end-start, 10))
	header.Set("Content-Type", "application/octet-stream")
	header.Set("ETag", `"`+config.ETag+`"`)
	header.Set("Last-Modified", lastModified)
	header.Set("x-ms-blob-type", "BlockBlob")
	if isRange {
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, end-1, config.Size))
		response.WriteHeader(http.StatusPartialContent)
	} else {
		header.Set("Accept-Ranges", "bytes")
	}
	if request.Method != http.MethodHead {
		reads.Add(1)
		send(response, start, end-start, request.Context().Value(connectionKey{}).(*connection))
	}
}

func send(response http.ResponseWriter, start, length int64, conn *connection) {
	most := int64(slice)
	if config.Rate > 0 {
		most = min(most, config.Rate*int64(tick)/int64(time.Second))
	}
	began := time.Now()
	for sent := int64(0); sent < length; {
		if conn.stalls && sent >= length/2 {
			select {}
		}
		from := (start + sent) % int64(len(content))
		piece := content[from:min(from+most, from+length-sent, int64(len(content)))]
		if _, err := response.Write(piece); err != nil {
			panic(http.ErrAbortHandler)
		}
		sent += int64(len(piece))
		total := bytes.Add(int64(len(piece)))
		if every := config.ResetEvery; every > 0 && total/every > (total-int64(len(piece)))/every {
			conn.reset()
		}
		if config.Rate > 0 {
			time.Sleep(time.Until(began.Add(time.Duration(sent * int64(time.Second) / config.Rate))))
		}
	}
}

func (conn *connection) reset() {
	socket := conn.Conn
	if encrypted, is := socket.(*tls.Conn); is {
		socket = encrypted.NetConn()
	}
	must(socket.(*net.TCPConn).SetLinger(0))
	socket.Close()
	panic(http.ErrAbortHandler)
}

func rangeOf(request *http.Request) (start, end int64, isRange bool) {
	text := request.Header.Get("x-ms-range")
	if text == "" {
		text = request.Header.Get("Range")
	}
	first, last, isRange := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if !isRange {
		return 0, config.Size, false
	}
	start, err := strconv.ParseInt(first, 10, 64)
	must(err)
	end = config.Size
	if last != "" {
		position, err := strconv.ParseInt(last, 10, 64)
		must(err)
		end = min(end, position+1)
	}
	return start, end, true
}

func list(response http.ResponseWriter, request *http.Request) {
	query := request.URL.Query()
	prefix := query.Get("prefix")
	first := numberOf(query.Get("marker"))
	most, err := strconv.Atoi(query.Get("maxresults"))
	if err != nil {
		most = 5_000
	}
	after := min(first+most, config.Count)
	var blobs strings.Builder
	next := ""
	if query.Get("delimiter") != "" && prefix != config.Version+"/" {
		fmt.Fprintf(&blobs, "<BlobPrefix><Name>%s/</Name></BlobPrefix>", config.Version)
	} else if prefix == config.Version+"/" || prefix == "" {
		for n := first; n < after; n++ {
			fmt.Fprintf(&blobs, "<Blob><Name>%s/%s</Name><Properties><Creation-Time>%s</Creation-Time><Last-Modified>%s</Last-Modified><Etag>%s</Etag><Content-Length>%d</Content-Length><Content-Type>application/octet-stream</Content-Type><Content-Encoding /><Content-Language /><Content-CRC64 /><Content-MD5 /><Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob>", config.Version, nameOf(n), lastModified, lastModified, config.ETag, config.Size)
		}
		if after < config.Count {
			next = tokenOf(after)
		}
	}
	body := fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://bench/" ContainerName="%s"><Prefix>%s</Prefix><Blobs>%s</Blobs><NextMarker>%s</NextMarker></EnumerationResults>`, config.Container, prefix, blobs.String(), next)
	response.Header().Set("Content-Type", "application/xml")
	response.Header().Set("Content-Length", strconv.Itoa(len(body)))
	io.WriteString(response, body)
}

func nameOf(n int) string {
	return fmt.Sprintf("%06d.bin", n)
}

// Where a page begins, by the token that the page before it gave.
func numberOf(token string) int {
	n, _ := strconv.Atoi(token)
	return n
}

func tokenOf(n int) string {
	return strconv.Itoa(n)
}

func read(file string) []byte {
	all, err := os.ReadFile(file)
	must(err)
	return all
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
