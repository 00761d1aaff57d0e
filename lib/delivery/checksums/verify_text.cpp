// VERIFY.txt: for somebody with a shell and openssl, and without cooper or a network.
#include "cooper/delivery/side_files.hpp"

#include "oci/printable.hpp"

namespace cooper::delivery {
namespace {

constexpr std::string_view kHead =
    "HOW TO CHECK AND LOAD THIS DELIVERY\n"
    "\n"
    "Everything below works without a network. Needed are a POSIX shell and its\n"
    "usual tools, and openssl of any version for signatures. Put all files into one\n"
    "directory and open a terminal there. Each line that is set in by four spaces is\n"
    "a command, to be typed as it stands.\n";

constexpr std::string_view kHelpers =
    "  *.lock.json     what each tarball was made from, so that it can be made again\n"
    "  VERIFY.txt      this text\n"
    "  load.sh         checks the tarballs and loads them\n";

constexpr std::string_view kSigner =
    "The signature tells whether SHA256SUMS is from the one who sent it. The key to\n"
    "verify it with is cooper.pub; first make sure that it is the sender's own:\n"
    "\n"
    "    openssl pkey -pubin -in cooper.pub -outform DER | openssl dgst -sha256\n"
    "\n"
    "must print this fingerprint:\n"
    "\n";

constexpr std::string_view kOtherRoad =
    "\n"
    "Compare it with the one that was sent to you by another road: a letter, a call,\n"
    "a mail of another day. That it agrees with this text proves nothing, as whoever\n"
    "changes files on their way can change this text too. Keep the key that you\n"
    "checked: the next delivery is signed with the same one.\n"
    "\n"
    "    openssl dgst -sha256 -verify cooper.pub -signature SHA256SUMS.sig SHA256SUMS\n"
    "\n"
    "must print \"Verified OK\". If it prints anything else, stop here and ask the\n"
    "sender.\n";

constexpr std::string_view kUnsigned =
    "This delivery is not signed. What follows finds files that were damaged or cut\n"
    "on their way, not files that somebody replaced together with SHA256SUMS.\n";

constexpr std::string_view kSums =
    "    sha256sum -c SHA256SUMS\n"
    "\n"
    "must say \"OK\" for every file. If you fetched only some of them:\n"
    "\n"
    "    sha256sum -c --ignore-missing SHA256SUMS\n"
    "\n"
    "or, where sha256sum does not know that word (busybox, systems from before 2016),\n"
    "one by one:\n"
    "\n";

constexpr std::string_view kOtherSystems =
    "\n"
    "On macOS the command is \"shasum -a 256 -c SHA256SUMS\". On Windows, compare what\n"
    "these print with the lines of SHA256SUMS:\n"
    "\n";

constexpr std::string_view kLoad =
    "    sh load.sh\n"
    "\n"
    "joins parts, checks size and SHA-256 of every tarball that is there, and only\n"
    "then loads them with docker, podman or nerdctl, whichever it finds first. To take\n"
    "one of them, or one tarball alone:\n"
    "\n";

std::string heading(int number, std::string_view title) {
    return "\n" + std::to_string(number) + ". " + std::string(title) + "\n\n";
}

std::string list_of(const std::vector<DeliveredFile>& files) {
    std::string text;
    for (const DeliveredFile& file : files) {
        text += "  " + file.name + "\n      " + std::to_string(file.size) + " bytes\n      SHA-256 " +
                std::string(file.sha256.hex()) + "\n";
        for (const std::string& tag : file.repo_tags) {
            text += "      loads as " + oci::printable(tag) + "\n";
        }
    }
    return text;
}

/// One line for each file.
template <class Line>
std::string for_each(const std::vector<DeliveredFile>& files, const Line& line) {
    std::string text;
    for (const DeliveredFile& file : files) {
        text += line(file) + "\n";
    }
    return text;
}

std::string names_section(int number, const std::vector<DeliveredFile>& files) {
    return heading(number, "THE NAMES") +
           "In the sender's store a tarball is called NAME:TAG.tar. Browsers save it as\n"
           "NAME_TAG.tar, which is its name in SHA256SUMS; where it kept its colon:\n\n" +
           for_each(files, [](const DeliveredFile& file) { return "    mv " + file.key_name + " " + file.name; });
}

std::string signer_section(int number, const Digest& fingerprint) {
    return heading(number, "WHO SENT IT") + std::string(kSigner) + "  " + std::string(fingerprint.hex()) + "\n" +
           std::string(kOtherRoad);
}

std::string parts_section(int number, const std::vector<DeliveredFile>& files) {
    return heading(number, "A TARBALL IN PARTS") +
           "Only where a tarball came as NAME_TAG.tar.part001of004 and so on (load.sh does\n"
           "this by itself):\n\n" +
           for_each(files,
                    [](const DeliveredFile& file) { return "    cat " + file.name + ".part*of* > " + file.name; }) +
           "\nOn Windows, with all parts in their order:\n\n"
           "  copy /b NAME_TAG.tar.part001of002+NAME_TAG.tar.part002of002 NAME_TAG.tar\n";
}

std::string sums_section(int number, const std::vector<DeliveredFile>& files) {
    return heading(number, "ARE THE FILES WHOLE?") + std::string(kSums) +
           for_each(
               files,
               [](const DeliveredFile& file) { return "    grep ' " + file.name + "$' SHA256SUMS | sha256sum -c -"; }) +
           std::string(kOtherSystems) +
           for_each(files, [](const DeliveredFile& file) { return "  certutil -hashfile " + file.name + " SHA256"; });
}

std::string load_section(int number, const std::vector<DeliveredFile>& files) {
    std::string text = heading(number, "LOADING") + std::string(kLoad);
    text += "    ENGINE=podman sh load.sh\n    sh load.sh " + files.front().name + "\n\nBy hand:\n\n";
    text += for_each(files, [](const DeliveredFile& file) { return "    docker load -i " + file.name; });
    return text + "\npodman and nerdctl take the same words.\n";
}

}  // namespace

std::string verify_text(const std::string& folder, const std::vector<DeliveredFile>& files,
                        const std::optional<Digest>& fingerprint) {
    int number = 0;
    std::string text(kHead);
    text += "\nThe delivery " + oci::printable(folder) + " has these tarballs:\n\n" + list_of(files);
    text += "\nand beside them:\n\n  SHA256SUMS      the SHA-256 of every file\n";
    if (fingerprint) {
        text += "  SHA256SUMS.sig  the sender's signature of SHA256SUMS\n  cooper.pub      the key to verify it with\n";
    }
    text += std::string(kHelpers) + (fingerprint ? "" : "\n" + std::string(kUnsigned));
    text += names_section(++number, files);
    if (fingerprint) {
        text += signer_section(++number, *fingerprint);
    }
    text += parts_section(++number, files);
    text += sums_section(++number, files);
    text += load_section(++number, files);
    return text;
}

}  // namespace cooper::delivery
