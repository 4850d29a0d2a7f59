/* G.722 by spandsp: PCM at 16 kHz to codes, or codes to PCM, native byte order, from standard input to standard output.
   spandsp_g722 encode|decode 64000|56000|48000 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <spandsp/telephony.h>
#include <spandsp/g722.h>

static unsigned char in[1 << 24];
static unsigned char out[1 << 26];

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    int rate = atoi(argv[2]);
    size_t n = fread(in, 1, sizeof in, stdin);
    size_t made;
    if (strcmp(argv[1], "encode") == 0) {
        g722_encode_state_t *s = g722_encode_init(NULL, rate, 0);
        made = (size_t) g722_encode(s, out, (const int16_t *) in, (int) (n / 2));
        g722_encode_free(s);
    } else {
        g722_decode_state_t *s = g722_decode_init(NULL, rate, 0);
        made = 2 * (size_t) g722_decode(s, (int16_t *) out, in, (int) n);
        g722_decode_free(s);
    }
    return fwrite(out, 1, made, stdout) == made ? 0 : 1;
}
