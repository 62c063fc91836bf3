/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rank that only talks: goes through a launch's conversation without plugins,
 * and at one point does what it is told on the command line,
 *
 *	fake_node node DEED RANK --fd N
 *
 * or, where the command line is not the test's, by a model called random:DEED:RANK,
 * so that tests can see what the controller makes of it. Ranks other than RANK
 * behave well.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "measure/record.h"
#include "wire/frame.h"
#include "wire/job.h"

static struct lsb_channel channel;
static const char *deed, *phase = "start";
static int is_culprit;
static unsigned long long steps;

static void say(enum lsb_frame_type type, const void *payload, size_t length)
{
	if (lsb_channel_send(&channel, type, payload, length, NULL))
		_exit(9);
}

static void say_text(enum lsb_frame_type type, const char *text)
{
	say(type, text, strlen(text));
}

static void beat(void)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "{\"phase\":\"%s\",\"steps\":%llu,\"tokens\":%llu}", phase, steps,
		       steps);
	say_text(LSB_FRAME_HEARTBEAT, text);
}

/* Wait for a frame of `type`, beating; QUIT and the end of the channel end the process. */
static char *expect(enum lsb_frame_type type, size_t *length)
{
	for (;;) {
		enum lsb_frame_type got;
		char *payload = NULL;
		const int rc = lsb_channel_receive(&channel, 20, &got, &payload, length, NULL);

		if (rc == LSB_ETIMEDOUT) {
			beat();
			continue;
		}
		if (rc || got == LSB_FRAME_QUIT)
			_exit(0);
		if (got == type)
			return payload;
		_exit(8);
	}
}

static int does(const char *what)
{
	return is_culprit && strcmp(deed, what) == 0;
}

static void die(const char *last_words)
{
	fprintf(stderr, "%s\n", last_words);
	(void)raise(SIGKILL);
}

static void say_raw(uint32_t magic, uint32_t type, uint32_t length, uint32_t sequence)
{
	uint8_t header[LSB_FRAME_HEADER_BYTES];

	lsb_frame_format(type, length, sequence, header);
	memcpy(header, &magic, 4);
	if (write(channel.fd, header, sizeof(header)) < 0)
		_exit(9);
	(void)expect(LSB_FRAME_QUIT, &(size_t){ 0 });
}

static void say_noise(void)
{
	uint32_t noise[4096];

	for (size_t i = 0; i < 4096; i++)
		noise[i] = (uint32_t)(i * 2654435761u);
	if (write(channel.fd, noise, sizeof(noise)) < 0)
		_exit(9);
	(void)expect(LSB_FRAME_QUIT, &(size_t){ 0 });
}

static void before_address(void)
{
	phase = "load";
	if (does("die-load"))
		die("loading layer 7");
	if (does("fail-model"))
		say_text(LSB_FRAME_FAILURE,
			 "{\"phase\":\"load\",\"code\":-9,\"message\":\"model: bad magic\"}");
	if (does("waive"))
		say_text(LSB_FRAME_FAILURE,
			 "{\"phase\":\"load\",\"code\":-4,\"message\":\"no accelerator here\"}");
	if (does("fail-model") || does("waive"))
		exit(1);
	if (does("noise"))
		say_noise();
	if (does("bad-magic"))
		say_raw(0x12345678u, LSB_FRAME_HEARTBEAT, 2, channel.sent);
	if (does("huge"))
		say_raw(LSB_FRAME_MAGIC, LSB_FRAME_HEARTBEAT, 0xffffffffu, channel.sent);
	if (does("bad-type"))
		say_raw(LSB_FRAME_MAGIC, 99, 2, channel.sent);
	if (does("bad-sequence"))
		say_raw(LSB_FRAME_MAGIC, LSB_FRAME_HEARTBEAT, 2, channel.sent + 5);
	if (does("not-json"))
		say_text(LSB_FRAME_HEARTBEAT, "[1, 2");
	if (does("early-result"))
		say_text(LSB_FRAME_RESULT, "{\"rank\":0}");
	if (does("close")) {
		close(channel.fd);
		for (;;)
			pause();
	}
}

static void in_run(void)
{
	phase = "run";
	for (int i = 0; i < 10; i++) {
		steps++;
		beat();
		if (i < 5)
			continue;
		if (does("die-run"))
			die("step 5");
		if (does("exit-run"))
			exit(3);
		if (does("stop-run"))
			(void)raise(SIGSTOP);
		if (does("stand-still"))
			(void)expect(LSB_FRAME_QUIT, &(size_t){ 0 });
		if (does("deaf-to-quit")) {
			(void)signal(SIGTERM, SIG_IGN);
			for (;;)
				usleep(1000);
		}
		if (does("leave-child") && fork() == 0)
			for (;;)
				pause();
	}
	if (!is_culprit && strncmp(deed, "complain", 8) == 0)
		say_text(LSB_FRAME_FAILURE, "{\"phase\":\"run\",\"code\":-5,\"message\":\"peer 1 is gone\"}");
	if (does("complain")) {
		usleep(50000); /* the others complain first */
		die("complained about");
	}
	if (deed[0] == 'w' && deed[1] == '-') /* others keep working until the culprit has ended the launch */
		(void)expect(LSB_FRAME_QUIT, &(size_t){ 0 });
}

static void report(const struct lsb_job *job)
{
	struct lsb_record records[3] = { { .kind = LSB_REC_COMPUTE, .t0_ns = 1, .t1_ns = 2, .peer = -1 } };
	static const char requests[] =
		",\"requests\":[{\"i\":0,\"id\":\"a\",\"prompt_tokens\":5,\"generated_tokens\":2,\"finish\":"
		"\"length\","
		"\"arrival_ns\":1,\"first_ns\":1000000001,\"last_ns\":2000000001,\"token_ns\":[0,1000000000],"
		"\"ids\":[1,2],\"text\":\"b\"}]";
	char text[512];

	phase = "report";
	if (does("die-report"))
		die("writing the report");
	if (does("ragged-records"))
		say(LSB_FRAME_RECORDS, records, 63);
	say(LSB_FRAME_RECORDS, records, sizeof(records));
	for (uint32_t i = 0; does("many-records") && i < job->max_records; i++)
		say(LSB_FRAME_RECORDS, records, sizeof(records));
	(void)snprintf(text, sizeof(text),
		       "{\"rank\":%d,\"stage\":%d,\"replica\":0,\"run_t0_ns\":1,\"run_t1_ns\":2000000001,"
		       "\"run_s\":2.0,\"load_s\":1.0,\"preprocess_s\":0.5%s}",
		       does("foreign-result") ? 77 : job->rank, job->rank, job->rank == 0 ? requests : "");
	say_text(LSB_FRAME_RESULT, text);
	if (does("crash-late"))
		abort();
}

/* "random:DEED:RANK" of the job; a model that is no such thing asks for nothing. */
static void read_deed(struct lsb_job *job)
{
	char *rank = strrchr(job->model, ':');

	if (strncmp(job->model, "random:", 7) != 0 || rank == job->model + 6)
		return;
	*rank = '\0';
	deed = job->model + 7;
	is_culprit = job->rank == atoi(rank + 1);
}

int main(int argc, char **argv)
{
	char hello[256];
	struct lsb_job job;
	size_t length;
	char *text;

	if ((argc != 6 && argc != 4) || strcmp(argv[1], "node") != 0 || strcmp(argv[argc - 2], "--fd") != 0)
		return 2;
	deed = argc == 6 ? argv[2] : "";
	channel.fd = atoi(argv[argc - 1]);
	for (int fd = channel.fd + 1; fd < 64; fd++)
		if (fcntl(fd, F_GETFD) >= 0) {
			fprintf(stderr, "descriptor %d was inherited\n", fd);
			return 7;
		}
	if (strcmp(deed, "die-hello") == 0)
		die("dead on arrival");
	(void)snprintf(hello, sizeof(hello),
		       "{\"protocol\":1,\"version\":\"%s\",\"pid\":%d,\"host\":\"here\"}",
		       strcmp(deed, "old") == 0 ? "0.0.1" : LSB_VERSION, (int)getpid());
	say_text(LSB_FRAME_HELLO, hello);
	text = expect(LSB_FRAME_JOB, &length);
	if (lsb_job_parse(text, length, &job, NULL))
		return 6;
	free(text);
	is_culprit = argc == 6 && job.rank == atoi(argv[3]);
	if (argc == 4)
		read_deed(&job);
	before_address();
	say_text(LSB_FRAME_ADDRESS, "{\"address\":\"AAEC\"}");
	free(expect(LSB_FRAME_ADDRESSES, &length));
	say_text(LSB_FRAME_READY, "{}");
	free(expect(LSB_FRAME_START, &length));
	in_run();
	report(&job);
	lsb_job_free(&job);
	free(expect(LSB_FRAME_QUIT, &length));
	return 0;
}
