// The same blobs as a version of a model in Unity Catalog, as the workspace's Files API and links to its storage give them.
package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

const (
	versionPath     = "/api/2.1/unity-catalog/models/"
	directoriesPath = "/api/2.0/fs/directories"
	linkPath        = "/api/2.0/fs/create-download-url"
	// When the blobs were modified, in milliseconds since 1970.
	modified = 1795413600000
	// Entries on a page of a folder.
	page = 1000
)

// Says whether it was a request to the workspace that is not for a file's content.
func answerAsCatalog(response http.ResponseWriter, request *http.Request) bool {
	path, query := request.URL.Path, request.URL.Query()
	switch {
	case strings.HasPrefix(path, versionPath):
		write(response, map[string]any{"version": 1, "id": "7d1f0c5e", "status": "READY", "created_at": modified})
	case strings.HasPrefix(path, directoriesPath):
		write(response, folder(strings.TrimPrefix(path, directoriesPath), query.Get("page_token")))
	case path == linkPath && !config.Links:
		response.WriteHeader(http.StatusForbidden)
		write(response, map[string]any{"error_code": "PERMISSION_DENIED", "message": "Presigned URLs are not enabled."})
	case path == linkPath:
		scheme := "http"
		if request.TLS != nil {
			scheme = "https"
		}
		link := url.URL{Scheme: scheme, Host: request.Host, Path: "/metastore" + query.Get("path"), RawQuery: "sig=bench"}
		write(response, map[string]any{"url": link.String(), "headers": []any{}})
	default:
		return false
	}
	return true
}

func folder(path, token string) map[string]any {
	first := numberOf(token)
	after := min(first+page, config.Count)
	contents := make([]any, 0, after-first)
	for n := first; n < after; n++ {
		name := nameOf(n)
		contents = append(contents, map[string]any{
			"path": path + "/" + name, "name": name, "is_directory": false,
			"file_size": config.Size, "last_modified": modified,
		})
	}
	listing := map[string]any{"contents": contents}
	if after < config.Count {
		listing["next_page_token"] = tokenOf(after)
	}
	return listing
}

func write(response http.ResponseWriter, answer any) {
	response.Header().Set("Content-Type", "application/json")
	must(json.NewEncoder(response).Encode(answer))
}
