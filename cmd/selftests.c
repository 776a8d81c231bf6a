// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What each tool has to say about the traffic of `doctor --selftest`; core/selftest.h explains. */
#include "selftest.h"

const struct selftest_line selftest_lines[] = {
	{ "netqtop", "dev=lo dir=tx netns=$netns | +packets=$packets" },
	{ "netqtop", "dev=lo dir=rx netns=$netns | +packets=$packets +bytes=$bytes" },
	{ "sofdsnoop", "action=send pid=$client comm=nt-client fd=$sent_fd | name=$passed" },
	{ "sofdsnoop", "action=recv pid=$server comm=nt-server fd=$received_fd | name=$passed" },
	{ "softirqs", "softirq=net_rx | count>=$net_rx_min count<=$net_rx_max" },
	{ "solisten", "lport=$sport | pid=$server comm=nt-server laddr=127.0.0.1 proto=TCPv4 "
		      "backlog=$backlog ret=0" },
	{ "tcpaccept", "lport=$sport rport=$cport | pid=$server comm=nt-server ip=4 "
		       "laddr=127.0.0.1 raddr=127.0.0.1" },
	{ "tcpconnect", "rport=$sport | pid=$client comm=nt-client ip=4 raddr=127.0.0.1" },
	{ "tcpconnect", "rport=$refused | pid=$client comm=nt-client" },
	{ "tcpconnlat", "rport=$sport | pid=$client lport=$cport result=established" },
	{ "tcpconnlat", "rport=$refused | pid=$client result=refused" },
	{ "tcpdrop", "sport=$cport dport=$sport | rows>=$retrans ip=4" },
	{ "tcplife", "lport=$cport rport=$sport | pid=$client comm=nt-client ip=4 tx_bytes=$up "
		     "rx_bytes=$down partial=false retrans=$retrans" },
	{ "tcplife", "lport=$sport rport=$cport | pid=$server comm=nt-server tx_bytes=$down "
		     "rx_bytes=$up partial=false" },
	{ "tcpretrans", "lport=$cport rport=$sport | rows=$retrans pid=$client "
			"state=ESTABLISHED" },
	{ "tcprtt", "unit=us | count>=3 count<=$segments" },
	{ "tcpstates", "rport=$sport old_state=SYN_SENT | pid=$client comm=nt-client "
		       "lport=$cport new_state=ESTABLISHED" },
	{ "tcpstates", "lport=$sport old_state=CLOSE_WAIT | pid=$server comm=nt-server "
		       "rport=$cport new_state=LAST_ACK" },
	{ "tcpsubnet", "subnet=127.0.0.1/32 | +tx_bytes=$both" },
	{ "tcpsynbl", "lport=$sport queue=accept | pid=$server backlog_max=$backlog count>=1 "
		      "overflows=0" },
	{ "tcptop", "lport=$cport rport=$sport | pid=$client +tx_bytes=$up +rx_bytes=$down" },
	{ "tcptop", "lport=$sport rport=$cport | pid=$server +tx_bytes=$down +rx_bytes=$up" },
	{ "tcptracer", "type=connect rport=$sport | pid=$client lport=$cport" },
	{ "tcptracer", "type=accept lport=$sport | pid=$server rport=$cport" },
	{ "tcptracer", "type=close lport=$cport | pid=$client rport=$sport" },
	{ "tcptracer", "type=close lport=$sport rport=$cport | pid=$server" },
	{ 0 },
};
