#include "base/tar_cases.hpp"

#include <algorithm>
#include <cstdio>

namespace cooper::testing {

namespace {

std::string repeat(char c, std::size_t count) {
    return std::string(count, c);
}

TarCase file(std::string path, std::string content) {
    TarCase made;
    made.entry.path = std::move(path);
    made.entry.size = content.size();
    made.content = std::move(content);
    return made;
}

TarCase node(TarType type, std::string path, std::string link = {}) {
    TarCase made;
    made.entry.type = type;
    made.entry.path = std::move(path);
    made.entry.link = std::move(link);
    return made;
}

std::vector<TarCase> names() {
    const std::string d100 = repeat('d', 100);
    return {
        file("n100/" + repeat('a', 95), "100 bytes: the name field is full"),
        file("n101/" + repeat('a', 96), "101: split"),
        file(repeat('a', 101), "101 in one component: cannot be split"),
        file(repeat('p', 155) + "/" + repeat('n', 99), "255: prefix full"),
        file(repeat('p', 155) + "/" + repeat('n', 100), "256: both full"),
        file(repeat('p', 156) + "/" + repeat('n', 100), "257: one too many"),
        file(repeat('p', 50) + "/" + repeat('n', 101), "last component too long"),
        file(d100 + "/" + d100 + "/" + d100, "302"),
        node(TarType::Directory, repeat('e', 99)),
        node(TarType::Directory, repeat('e', 100)),
        node(TarType::Directory, "trailing/"),
        file("raw-\xff\xfe", "not UTF-8, in the header"),
        file("raw-" + repeat('\xfe', 120), "not UTF-8, in a pax record"),
        file("nfd-e\xcc\x81", "decomposed"),
        file("nfc-\xc3\xa9", "composed"),
        file("new\nline and = and blank", "odd characters"),
    };
}

std::vector<TarCase> fields() {
    std::vector<TarCase> cases;
    cases.push_back(file("ids-largest-octal", ""));
    cases.back().entry.uid = 2097151;
    cases.back().entry.gid = 2097151;
    cases.push_back(file("ids-pax", "x"));
    cases.back().entry.uid = 2097152;
    cases.back().entry.gid = 4294967295;
    cases.push_back(file("setuid", "x"));
    cases.back().entry.mode = 04755;
    cases.push_back(file("time-largest-octal", "x"));
    cases.back().entry.mtime = 077777777777;
    cases.push_back(file("time-pax", "x"));
    cases.back().entry.mtime = 0100000000000;
    cases.push_back(file("xattrs", "x"));
    cases.back().entry.xattrs = {{"user.b", std::string("raw\0\n=\xff", 7)},
                                 {"security.capability", std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)},
                                 {"user.empty", ""}};
    // 98 bytes besides its length: with two digits it would be 100, so it needs three.
    cases.push_back(file("xattr-length-grows", "x"));
    cases.back().entry.xattrs = {{"user.a", repeat('v', 98 - 3 - 19)}};
    cases.push_back(file("block-sized", repeat('b', 512)));
    cases.push_back(file("one-more", repeat('c', 513)));
    return cases;
}

std::vector<TarCase> kinds() {
    std::vector<TarCase> cases;
    cases.push_back(node(TarType::HardLink, "hard", "n100/" + repeat('a', 95)));
    cases.push_back(node(TarType::Symlink, "sym100", repeat('t', 100)));
    cases.back().entry.mode = 0777;
    cases.push_back(node(TarType::Symlink, "sym101", repeat('t', 101)));
    cases.push_back(node(TarType::CharDevice, "null"));
    cases.back().entry.device_major = 1;
    cases.back().entry.device_minor = 3;
    cases.push_back(node(TarType::Fifo, "fifo"));
    return cases;
}

}  // namespace

std::vector<TarCase> thirty_cases() {
    std::vector<TarCase> cases = names();
    for (auto& more : {fields(), kinds()}) {
        cases.insert(cases.end(), more.begin(), more.end());
    }
    return cases;
}

std::string write_tar(const std::vector<TarCase>& cases) {
    StringSink sink(1 << 24);
    TarWriter writer(sink);
    for (const TarCase& each : cases) {
        if (each.entry.type == TarType::File) {
            MemorySource content{std::string_view(each.content)};
            writer.add(each.entry, content);
        } else {
            writer.add(each.entry);
        }
    }
    writer.finish();
    return sink.take();
}

std::string RawHeader::block() const {
    std::string bytes(kTarBlock, '\0');
    const auto put = [&](std::size_t offset, std::size_t width, const std::string& text) {
        std::copy_n(text.begin(), std::min(width, text.size()), bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    };
    put(0, 100, name);
    put(100, 8, mode);
    put(108, 8, uid);
    put(116, 8, gid);
    put(124, 12, size);
    put(136, 12, mtime);
    put(148, 8, "        ");
    bytes[156] = type;
    put(157, 100, link);
    put(257, 8, magic);
    put(329, 8, device_major);
    put(337, 8, device_minor);
    put(345, 155, prefix);
    put(500, 12, trailer);
    unsigned sum = 0;
    for (const char c : bytes) {
        sum += static_cast<unsigned char>(c);
    }
    char checksum[8] = {};
    std::snprintf(checksum, sizeof checksum, "%06o", sum & 0777777U);
    put(148, 7, std::string(checksum, 7));
    return bytes;
}

std::string octal_size(std::uint64_t size) {
    char text[24] = {};
    std::snprintf(text, sizeof text, "%011llo", static_cast<unsigned long long>(size));
    return text;
}

std::string padded(std::string text) {
    text.append(tar_padding(text.size()), '\0');
    return text;
}

std::string extension(char type, const std::string& data) {
    RawHeader header;
    header.name = "extension";
    header.type = type;
    header.size = octal_size(data.size());
    return header.block() + padded(data);
}

std::string pax_record(const std::string& key, const std::string& value) {
    const std::string rest = " " + key + "=" + value + "\n";
    std::size_t length = rest.size() + 1;
    while (rest.size() + std::to_string(length).size() != length) {
        ++length;
    }
    return std::to_string(length) + rest;
}

std::string end_blocks() {
    return std::string(2 * kTarBlock, '\0');
}

}  // namespace cooper::testing
