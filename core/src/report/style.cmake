# SPDX-License-Identifier: Apache-2.0
# cmake -DIN=style.css -DOUT=style.c -P style.cmake: the style sheet as bytes that report.html is written with.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(................................................................................)" "\\1\n\t" bytes "${bytes}")
file(WRITE ${OUT} "/* Made from style.css. */
#include \"report/html.h\"

const unsigned char lsb_html_style[] = {
	${bytes}
};
const size_t lsb_html_style_bytes = sizeof(lsb_html_style);
")
