# SPDX-License-Identifier: Apache-2.0
# Turns the file FROM into a C file TO that defines lsb_articles and lsb_articles_bytes.
file(READ ${FROM} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REGEX REPLACE "(................................................................................)" "\\1\n" bytes "${bytes}")
file(WRITE ${TO} "#include \"dataset.h\"\n\nconst char lsb_articles[] = {\n${bytes}0 };\nconst size_t lsb_articles_bytes = sizeof(lsb_articles) - 1;\n")
