// Sends tasks to memory-graph-workers by name (Celery's message protocol 2 over Redis) and waits for their results.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
)

type object map[string]any

var taskName = regexp.MustCompile(`^memory_graph\.(registry|vault|archival)\.(\w+)$`)

func main() {
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		log.Fatal("REDIS_URL is not the address of a Redis server") // the error would show the password
	}
	client := redis.NewClient(options)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := produce(ctx, client); err != nil {
		log.Fatal(err)
	}
}

func produce(ctx context.Context, client *redis.Client) error {
	session := object{"session_id": "s-7", "model_id": "gpt-4", "started_at": "2026-01-31T12:00:00Z"}
	var registered struct{ Status string }
	err := call(ctx, client, "memory_graph.registry.register_session", object{"registration": session}, newID(), &registered)
	if err != nil {
		return err
	}
	fmt.Println(registered.Status) // active

	report := object{"session_id": "s-7", "prompt_tokens": 10, "completion_tokens": 20}
	for i := 0; i < 2; i++ { // sent twice under one id, counted once
		err := call(ctx, client, "memory_graph.registry.track_usage", object{"report": report}, "answer-4714", nil)
		if err != nil {
			return err
		}
	}

	var usage struct {
		TotalTokens int64 `json:"total_tokens"`
	}
	err = call(ctx, client, "memory_graph.registry.get_session_usage", object{"session_id": "s-7"}, newID(), &usage)
	if err != nil {
		return err
	}
	fmt.Println(usage.TotalTokens) // 30
	return nil
}

// call sends a task and waits until it is done, also if it has no result.
func call(ctx context.Context, client *redis.Client, task string, parameters object, id string, result any) error {
	if err := Send(ctx, client, task, parameters, id, object{"ignore_result": false}); err != nil {
		return err
	}
	return Answer(ctx, client, id, result)
}

// Send puts a task on its queue. A task sent twice under one id counts once.
func Send(ctx context.Context, client *redis.Client, task string, parameters object, id string, more object) error {
	queue, err := queueOf(task)
	if err != nil {
		return err
	}
	body, err := json.Marshal([]any{[]any{}, parameters, object{}})
	if err != nil {
		return err
	}
	headers := object{"lang": "go", "task": task, "id": id, "root_id": id}
	for key, value := range more {
		headers[key] = value
	}
	message, err := json.Marshal(object{
		"body":             body, // bytes become base64
		"content-type":     "application/json",
		"content-encoding": "utf-8",
		"headers":          headers,
		"properties": object{
			"correlation_id": id,
			"delivery_tag":   newID(),
			"delivery_mode":  2,
			"delivery_info":  object{"exchange": queue, "routing_key": queue},
			"body_encoding":  "base64",
			"priority":       0,
		},
	})
	if err != nil {
		return err
	}
	return client.LPush(ctx, queue, message).Err()
}

// Answer waits for a task's result and decodes it into result (nil drops it). It fails if the task failed.
func Answer(ctx context.Context, client *redis.Client, id string, result any) error {
	for {
		found, err := outcomeOf(ctx, client, id)
		if err != nil {
			return err
		}
		switch found.Status {
		case "FAILURE":
			return fmt.Errorf("task %s failed: %s", id, found.Result)
		case "SUCCESS":
			if result == nil {
				return nil
			}
			return json.Unmarshal(found.Result, result)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no result of task %s: %w", id, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

type outcome struct {
	Status string
	Result json.RawMessage
}

func outcomeOf(ctx context.Context, client *redis.Client, id string) (outcome, error) {
	var found outcome
	stored, err := client.Get(ctx, "celery-task-meta-"+id).Bytes()
	if errors.Is(err, redis.Nil) {
		return found, nil // not yet
	}
	if err != nil {
		return found, err
	}
	err = json.Unmarshal(stored, &found)
	return found, err
}

func queueOf(task string) (string, error) {
	parts := taskName.FindStringSubmatch(task)
	if parts == nil {
		return "", fmt.Errorf("%s is not a task of memory-graph-workers", task)
	}
	if parts[2] == "health_check" {
		return "memory_graph.health", nil
	}
	return "memory_graph." + parts[1], nil
}

func newID() string {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		log.Fatal(err)
	}
	return hex.EncodeToString(random)
}
