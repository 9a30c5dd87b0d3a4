//! Giving up privileges for good (capabilities(7)).

use crate::{Error, sys};

/// The kernel's names, each at its number (`include/uapi/linux/capability.h`).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];
/// Number of the capability that it takes to shrink the bounding set.
const SETPCAP: u32 = 8;

/// Give up every capability but those named, for this thread and all that it starts from now on.
///
/// The others leave the effective, permitted, inheritable and ambient sets, and the bounding set where that may be
/// changed; no program executed later gains any (`PR_SET_NO_NEW_PRIVS`). The sets belong to a thread, not the process:
/// call this before another thread exists.
///
/// # Errors
/// [`Error::Permission`] naming the first wanted one that the thread lacks, [`Error::Invalid`] for a name that no kernel
/// has; nothing has changed then.
pub fn keep_capabilities<S: AsRef<str>>(names: &[S]) -> Result<(), Error> {
    let had = sys::capabilities().map_err(|e| Error::system("read the process's capabilities", e))?;
    let keep = permitted(names, had.permitted)?;
    if had.effective & bit(SETPCAP) != 0 {
        shrink_bounding_set(keep).map_err(|e| Error::system("shrink the bounding set of capabilities", e))?;
    }
    let kept = sys::CapabilitySets { effective: keep, permitted: keep, inheritable: had.inheritable & keep };
    sys::set_capabilities(kept).map_err(|e| Error::system("drop capabilities", e))?;
    sys::no_new_privileges().map_err(|e| Error::system("forbid new privileges", e))
}

/// The named capabilities as a mask, if every one is permitted.
fn permitted<S: AsRef<str>>(names: &[S], permitted: u64) -> Result<u64, Error> {
    names.iter().try_fold(0, |keep, name| {
        let name = name.as_ref();
        let number = (0..).zip(NAMES).find(|&(_, known)| known == name).map(|(number, _)| number);
        let wanted = bit(number.ok_or_else(|| Error::Invalid(format!("no capability is called {name}")))?);
        if permitted & wanted == 0 {
            return Err(Error::Permission { capability: name.to_owned(), doing: "keep a capability".to_owned() });
        }
        Ok(keep | wanted)
    })
}

/// Also those that are newer than this list: up to the first number that the kernel does not know.
fn shrink_bounding_set(keep: u64) -> std::io::Result<()> {
    for number in (0..u64::BITS).filter(|&number| keep & bit(number) == 0) {
        match sys::drop_from_bounding_set(number) {
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => break,
            other => other?,
        }
    }
    Ok(())
}

const fn bit(number: u32) -> u64 {
    1 << number
}

#[cfg(test)]
mod tests {
    use super::*;

    const NET_ADMIN: u64 = bit(12);
    const NET_RAW: u64 = bit(13);

    /// The sets belong to a thread: each test changes those of its own.
    fn sets_after(keep: &[&str]) -> sys::CapabilitySets {
        keep_capabilities(keep).unwrap();
        sys::capabilities().unwrap()
    }

    #[test]
    fn only_the_named_ones_stay() {
        let sets = sets_after(&["CAP_NET_RAW", "CAP_NET_ADMIN"]);
        assert_eq!((sets.permitted, sets.effective), (NET_RAW | NET_ADMIN, NET_RAW | NET_ADMIN));
        assert_eq!(sets.inheritable & !(NET_RAW | NET_ADMIN), 0);
    }

    #[test]
    fn what_was_given_up_is_gone_for_good() {
        keep_capabilities(&["CAP_NET_RAW"]).unwrap();
        let message = keep_capabilities(&["CAP_NET_RAW", "CAP_NET_ADMIN"]).unwrap_err().to_string();
        assert_eq!(message, "cannot keep a capability: CAP_NET_ADMIN is missing");
    }

    #[test]
    fn a_program_that_is_started_gains_none() {
        keep_capabilities(&["CAP_NET_RAW"]).unwrap();
        let output = std::process::Command::new("grep")
            .args(["-E", "^(CapPrm|CapBnd|NoNewPrivs)", "/proc/self/status"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let expected = format!("CapPrm:\t{NET_RAW:016x}\nCapBnd:\t{NET_RAW:016x}\nNoNewPrivs:\t1\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn a_name_that_no_kernel_has_changes_nothing() {
        let before = sys::capabilities().unwrap();
        assert!(matches!(keep_capabilities(&["CAP_FLY"]), Err(Error::Invalid(_))));
        assert_eq!(sys::capabilities().unwrap(), before);
    }

    #[test]
    fn the_names_stand_at_the_kernels_numbers() {
        let number = |name| NAMES.iter().position(|&known| known == name);
        assert_eq!(number("CAP_SETPCAP"), Some(SETPCAP as usize));
        assert_eq!(number("CAP_NET_RAW"), Some(13));
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
    }
}
