#include "build/sandbox/seccomp.hpp"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace cooper::build::sandbox {

namespace {

// A process can call the kernel as another architecture of the same machine, with other numbers.
#if defined(__x86_64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kCompatible = AUDIT_ARCH_I386;
constexpr bool kCompatibleIsArm = false;
#elif defined(__aarch64__)
constexpr std::uint32_t kNative = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kCompatible = AUDIT_ARCH_ARM;
constexpr bool kCompatibleIsArm = true;
#elif defined(__riscv) && __riscv_xlen == 64
constexpr std::uint32_t kNative = AUDIT_ARCH_RISCV64;
constexpr std::uint32_t kCompatible = 0;
constexpr bool kCompatibleIsArm = false;
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
constexpr std::uint32_t kNative = AUDIT_ARCH_PPC64LE;
constexpr std::uint32_t kCompatible = 0;
constexpr bool kCompatibleIsArm = false;
#else
#error "the numbers of system calls of this architecture are not known: add it here"
#endif

constexpr std::uint32_t kX32Bit = 0x40000000;
constexpr std::uint32_t kTiocsti = 0x5412;  // puts characters into a terminal's input
constexpr std::uint32_t kDeviceMask = 0130000;
constexpr std::uint32_t kDeviceBits = 0020000;  // S_IFCHR and S_IFBLK have it under the mask, other types do not
constexpr int kAbsent = -1;
constexpr std::uint16_t kLoadWord = BPF_LD | BPF_W | BPF_ABS;
constexpr std::uint16_t kJumpIfEqual = BPF_JMP | BPF_JEQ | BPF_K;

/// One call in the numbers of the three.
struct Call {
    long native = kAbsent;
    int i386 = kAbsent;
    int arm = kAbsent;

    [[nodiscard]] long number(bool compatible) const {
        return !compatible ? native : kCompatibleIsArm ? long{arm} : long{i386};
    }
};

/// What is done about it; with `mask`, only when that argument under the mask is `value` (or, with AnyBit, not zero).
struct Rule {
    enum class When : std::uint8_t { Always, Equal, AnyBit };
    Call call;
    std::uint32_t action = 0;
    When when = When::Always;
    unsigned argument = 0;
    std::uint32_t mask = 0;
    std::uint32_t value = 0;
};

constexpr std::uint32_t answer(int error_number) {
    return SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error_number);
}

constexpr Rule deny(long native, int i386, int arm) {
    return {{native, i386, arm}, answer(EPERM)};
}
/// Calls that came after the tables were joined have one number everywhere.
constexpr Rule deny(long number) {
    return {{number, static_cast<int>(number), static_cast<int>(number)}, answer(EPERM)};
}

#if defined(__x86_64__)
constexpr long kIopl = SYS_iopl;
constexpr long kIoperm = SYS_ioperm;
#else
constexpr long kIopl = kAbsent;
constexpr long kIoperm = kAbsent;
#endif

constexpr std::array kDenied{
    deny(SYS_mount, 21, 21),
    deny(kAbsent, 22, kAbsent),  // umount(2) of one argument
    deny(SYS_umount2, 52, 52),
    deny(SYS_pivot_root, 217, 218),
    deny(428),  // open_tree
    deny(429),  // move_mount
    deny(430),  // fsopen
    deny(431),  // fsconfig
    deny(432),  // fsmount
    deny(433),  // fspick
    deny(442),  // mount_setattr
    deny(467),  // open_tree_attr
    deny(SYS_setns, 346, 375),
    Rule{{SYS_unshare, 310, 337}, answer(EPERM), Rule::When::AnyBit, 0, CLONE_NEWUSER, 0},
    Rule{{SYS_clone, 120, 120}, answer(EPERM), Rule::When::AnyBit, 0, CLONE_NEWUSER, 0},
    Rule{{435, 435, 435}, answer(ENOSYS)},  // clone3: its flags lie in memory; callers fall back to clone
    deny(SYS_kexec_load, 283, 347),
    deny(SYS_kexec_file_load, kAbsent, 401),
    deny(SYS_bpf, 357, 386),
    deny(SYS_perf_event_open, 336, 364),
    deny(SYS_userfaultfd, 374, 388),
    deny(SYS_keyctl, 288, 311),
    deny(SYS_add_key, 286, 309),
    deny(SYS_request_key, 287, 310),
    deny(SYS_init_module, 128, 128),
    deny(SYS_finit_module, 350, 379),
    deny(SYS_delete_module, 129, 129),
    deny(SYS_reboot, 88, 88),
    deny(SYS_swapon, 87, 87),
    deny(SYS_swapoff, 115, 115),
    deny(SYS_acct, 51, 51),
    deny(SYS_quotactl, 131, 131),
    deny(443),  // quotactl_fd
    deny(SYS_settimeofday, 79, 79),
    deny(kAbsent, 25, kAbsent),  // stime
    deny(SYS_clock_settime, 264, 262),
    deny(kAbsent, 404, 404),  // clock_settime64
    deny(SYS_open_by_handle_at, 342, 371),
    deny(SYS_lookup_dcookie, 253, 249),
    deny(SYS_vhangup, 111, 111),
    deny(kIopl, 110, kAbsent),
    deny(kIoperm, 101, kAbsent),
    deny(425),  // io_uring_setup
    deny(426),  // io_uring_enter
    deny(427),  // io_uring_register
    Rule{{SYS_ioctl, 54, 54}, answer(EPERM), Rule::When::Equal, 1, 0xffffffff, kTiocsti},
};

constexpr Rule pretend(long native, int i386, int arm) {
    return {{native, i386, arm}, answer(0)};
}
constexpr Rule pretend_device(long native, int number, int arm, unsigned mode_argument) {
    return {{native, number, arm}, answer(0), Rule::When::Equal, mode_argument, kDeviceMask, kDeviceBits};
}

#if defined(SYS_chown)
constexpr long kChown = SYS_chown;
constexpr long kLchown = SYS_lchown;
constexpr long kMknod = SYS_mknod;
#else
constexpr long kChown = kAbsent;
constexpr long kLchown = kAbsent;
constexpr long kMknod = kAbsent;
#endif

// The older of two numbers has ids of 16 bits.
constexpr std::array kPretended{
    pretend(kChown, 182, 182),         pretend(kAbsent, 212, 212),
    pretend(kLchown, 16, 16),          pretend(kAbsent, 198, 198),
    pretend(SYS_fchown, 95, 95),       pretend(kAbsent, 207, 207),
    pretend(SYS_fchownat, 298, 325),   pretend(SYS_setuid, 23, 23),
    pretend(kAbsent, 213, 213),        pretend(SYS_setgid, 46, 46),
    pretend(kAbsent, 214, 214),        pretend(SYS_setreuid, 70, 70),
    pretend(kAbsent, 203, 203),        pretend(SYS_setregid, 71, 71),
    pretend(kAbsent, 204, 204),        pretend(SYS_setresuid, 164, 164),
    pretend(kAbsent, 208, 208),        pretend(SYS_setresgid, 170, 170),
    pretend(kAbsent, 210, 210),        pretend(SYS_setgroups, 81, 81),
    pretend(kAbsent, 206, 206),        pretend(SYS_setfsuid, 138, 138),
    pretend(kAbsent, 215, 215),        pretend(SYS_setfsgid, 139, 139),
    pretend(kAbsent, 216, 216),        pretend(SYS_capset, 185, 185),
    pretend_device(kMknod, 14, 14, 1), pretend_device(SYS_mknodat, 297, 324, 2),
};

constexpr std::uint32_t argument_offset(unsigned index) {
    constexpr std::uint32_t kLowWord = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 0 : sizeof(std::uint32_t);
    return static_cast<std::uint32_t>(offsetof(seccomp_data, args)) +
           index * static_cast<std::uint32_t>(sizeof(std::uint64_t)) + kLowWord;
}

class FilterWriter {
public:
    std::vector<sock_filter> write(std::span<const Rule> rules) {
        load(offsetof(seccomp_data, arch));
        write_block(kNative, rules, false);
        if (kCompatible != 0) {
            write_block(kCompatible, rules, true);
        }
        end(answer(ENOSYS));  // an architecture that we have no numbers of
        return std::move(program_);
    }

private:
    void write_block(std::uint32_t architecture, std::span<const Rule> rules, bool compatible) {
        program_.push_back({kJumpIfEqual, 1, 0, architecture});
        const auto skip = program_.size();
        program_.push_back({BPF_JMP | BPF_JA, 0, 0, 0});
        load(offsetof(seccomp_data, nr));
        if (architecture == AUDIT_ARCH_X86_64) {
            program_.push_back({BPF_JMP | BPF_JGE | BPF_K, 0, 1, kX32Bit});
            end(answer(ENOSYS));
        }
        for (const Rule& rule : rules) {
            if (const long number = rule.call.number(compatible); number != kAbsent) {
                write_rule(rule, static_cast<std::uint32_t>(number));
            }
        }
        end(SECCOMP_RET_ALLOW);
        program_[skip].k = static_cast<std::uint32_t>(program_.size() - skip - 1);
    }

    void write_rule(const Rule& rule, std::uint32_t number) {
        if (rule.when == Rule::When::Always) {
            program_.push_back({kJumpIfEqual, 0, 1, number});
            end(rule.action);
            return;
        }
        const bool any_bit = rule.when == Rule::When::AnyBit;
        program_.push_back({kJumpIfEqual, 0, 5, number});
        load(argument_offset(rule.argument));
        program_.push_back({BPF_ALU | BPF_AND | BPF_K, 0, 0, rule.mask});
        program_.push_back(any_bit ? sock_filter{kJumpIfEqual, 1, 0, 0} : sock_filter{kJumpIfEqual, 0, 1, rule.value});
        end(rule.action);
        end(SECCOMP_RET_ALLOW);
    }

    void load(std::size_t offset) { program_.push_back({kLoadWord, 0, 0, static_cast<std::uint32_t>(offset)}); }
    void end(std::uint32_t action) { program_.push_back({BPF_RET | BPF_K, 0, 0, action}); }

    std::vector<sock_filter> program_;
};

}  // namespace

std::vector<sock_filter> denying_filter() {
    return FilterWriter().write(kDenied);
}

std::vector<sock_filter> pretending_filter() {
    return FilterWriter().write(kPretended);
}

}  // namespace cooper::build::sandbox
